"""What answered a call: the model, SKU and region that it is priced by. Pure.

What a deployment's document tells goes before what the call tells. The document is of the
deployment that served, where the call names it, else of the one that was asked. A call that
spilled over is never a use of provisioned throughput, and has no SKU where only the deployment is
known that it spilled over from.
"""

from typing import NamedTuple

from usage_ingest.chargeback.deployment import Deployment
from usage_ingest.chargeback.line import Subject
from usage_ingest.chargeback.price import Use, model_and_version, region_name
from usage_ingest.chargeback.reference import Snapshot


class Served(NamedTuple):
    """What a line says of it; `provisioned` is the deployment whose throughput it used."""

    model: str | None
    version: str | None
    sku: str | None
    region: str | None
    publisher: str | None
    resource_id: str | None
    provisioned: Deployment | None

    def use(self, subject: Subject) -> Use:
        """Return what a price is looked up by.

        What is paid beside provisioned throughput has no SKU: prices for any SKU are its.
        """
        return Use(
            model=self.model,
            version=self.version,
            sku=None if self.provisioned else self.sku,
            region=self.region,
            deployment=subject.served_deployment or subject.deployment,
            service_tier=subject.service_tier,
            context_band=subject.context_band,
            provider=subject.provider,
        )


def served(subject: Subject, snapshot: Snapshot) -> Served:
    """Return what answered the calls of a subject."""
    name = subject.served_deployment or subject.deployment
    found = snapshot.deployment(name, subject.gateway, subject.backend)
    model, version = model_and_version(subject.model)
    if found is None:
        return Served(model, version, None, region_name(subject.region), None, None, None)
    same_model = found.model in (None, model)
    spilled_from = found if subject.spillover and found.provisioned else None
    return Served(
        model=found.model or model,
        version=found.version or (version if same_model else None),
        sku=None if spilled_from else found.sku,
        region=region_name(found.region or subject.region),
        publisher=found.publisher,
        resource_id=None if spilled_from else found.resource_id,
        provisioned=found if found.provisioned and not spilled_from else None,
    )
