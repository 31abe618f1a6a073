"""What the settings come to, in the words of the flows. Pure."""

from usage_ingest.chargeback.estimate import estimator
from usage_ingest.chargeback.focus import Biller
from usage_ingest.chargeback.reference import Estimate
from usage_ingest.events.privacy import Privacy
from usage_ingest.metrics.watermark import Pace, Source
from usage_ingest.settings import Settings


def sources(settings: Settings) -> tuple[Source, ...]:
    """Return every target and profile that is collected."""
    return tuple(
        Source(target, profile)
        for target in settings.metrics_targets
        for profile in settings.metrics_profiles
    )


def pace(settings: Settings) -> Pace:
    """Return how far windows reach back and stay behind."""
    return Pace(
        overlap=settings.metrics_overlap,
        settling_delay=settings.metrics_settling_delay,
        initial_lookback=settings.metrics_initial_lookback,
    )


def privacy(settings: Settings) -> Privacy:
    """Return what is kept of people, with the keys that hash it."""
    keys = {
        name: secret.get_secret_value().encode()
        for name, secret in settings.privacy_hmac_keys.items()
    }
    return Privacy(settings.end_user_id, settings.client_ip, keys)


def biller(settings: Settings) -> Biller:
    """Return who charges the owners."""
    return Biller(
        account_id=settings.billing_account_id,
        account_name=settings.billing_account_name,
        issuer=settings.invoice_issuer_name,
    )


def list_estimates(settings: Settings) -> Estimate | None:
    """Return what fills in for models without a price, if anything shall."""
    return estimator(enabled=settings.list_estimates == "on")
