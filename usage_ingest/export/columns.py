"""The columns of an export: name, type, unit and meaning. The only place that says so. Pure.

docs/export.md shows them (python -m tests.export_table). A column is added at the end and never
changes its meaning: tables that exist are appended to.
"""

from typing import Final, Literal

from usage_ingest.record import USAGE_FIELDS
from usage_ingest.rollup import LATENCY_ABOVE, LATENCY_BUCKETS
from usage_ingest.value import value

Type = Literal["text", "integer", "boolean", "time", "json"]
Subject = Literal["ledger", "rollups"]


@value()
class Column:
    """One column; `field` is what the stored document calls it."""

    name: str
    type: Type
    unit: str
    meaning: str
    stored: str = ""

    @property
    def field(self) -> str:
        """The stored document's name for it."""
        return self.stored or self.name


_MEANINGS: Final = {
    "input_tokens": "Input, cached included.",
    "cached_input_tokens": "Part of input: read from a cache.",
    "cache_write_input_tokens": "Part of input: written to a cache.",
    "cache_write_5m_input_tokens": "Part of what was written to a cache: kept 5 minutes.",
    "cache_write_30m_input_tokens": "Part of what was written to a cache: kept 30 minutes.",
    "cache_write_1h_input_tokens": "Part of what was written to a cache: kept an hour.",
    "cache_write_12h_input_tokens": "Part of what was written to a cache: kept 12 hours.",
    "audio_input_tokens": "Part of input: audio.",
    "image_input_tokens": "Part of input: images.",
    "text_input_tokens": "Part of input: text.",
    "output_tokens": "Output, reasoning included.",
    "reasoning_output_tokens": "Part of output: reasoning.",
    "audio_output_tokens": "Part of output: audio.",
    "image_output_tokens": "Part of output: images.",
    "text_output_tokens": "Part of output: text.",
    "accepted_prediction_output_tokens": "Part of output: predicted and accepted.",
    "rejected_prediction_output_tokens": "Part of output: predicted and rejected.",
    "total_tokens": "The total as it was reported; it may be more than input and output.",
    "duration_ms": "Length of audio.",
    "images": "Images.",
    "searches": "Searches.",
}
_UNITS: Final = {"duration_ms": "milliseconds", "images": "images", "searches": "searches"}


def _usage() -> tuple[Column, ...]:
    return tuple(
        Column(name, "integer", _UNITS.get(name, "tokens"), _MEANINGS[name])
        for name in USAGE_FIELDS
    )


def _tokens(name: str, meaning: str) -> Column:
    return Column(name, "integer", "tokens", meaning)


def _texts(**meanings: str) -> tuple[Column, ...]:
    return tuple(Column(name, "text", "", meaning) for name, meaning in meanings.items())


LEDGER: Final = (
    Column("record_id", "text", "", "Identity of the record: unique.", stored="id"),
    Column("rollup_id", "text", "", "The rollup that counts the record."),
    Column("event_time", "time", "UTC", "When the call happened; of metrics: when the bin began."),
    Column("ingested_at", "time", "UTC", "When the record was read."),
    *_texts(
        source="`event_hub` (one call) or `metrics` (a bin of calls: its number is not known).",
        usage_state="`reported`, `awaiting_metrics` (a streamed call) or `none`.",
        shape="The form of the event, or of the metric.",
    ),
    Column("usage_estimated", "boolean", "", "Whether APIM estimated the tokens."),
    Column("flags", "json", "", "How the record was read: a list of names, or null."),
    *_texts(
        gateway="The APIM service.",
        gateway_id="The gateway of the service.",
        region="The region of the gateway.",
        gateway_request_id="APIM's id of the request.",
        subscription_id="The APIM subscription.",
        subscription_name="Its name.",
        product_id="The APIM product.",
        product_name="Its name.",
        api_id="The APIM API.",
        api_name="Its name.",
        operation_id="The APIM operation.",
        operation_name="Its name.",
        user_id="The APIM user.",
        app_id="The calling application.",
        app_hint="What the caller says of itself.",
        tenant_id="The tenant of the application.",
        end_user_id="The person behind it, as `END_USER_ID` says: hashed, kept or absent.",
        session_id="The session.",
        client_ip="The caller's network, where it is kept.",
    ),
    Column("tags", "json", "", "What the gateway added: an object of texts, or null."),
    *_texts(
        provider="Who offers the API.",
        api_kind="Which API it is.",
        object="The kind of object that answered.",
        request_model="The model that was asked for.",
        response_model="The model that answered.",
        response_id="The response's id.",
        deployment="The deployment that was asked for.",
        served_deployment="The deployment that answered.",
        spillover_from="The deployment that was full, where another answered.",
        backend="The backend that answered.",
        route="The route to it.",
        service_tier="The service tier.",
    ),
    Column("streaming", "boolean", "", "Whether the answer was streamed."),
    Column("background", "boolean", "", "Whether it was a background response."),
    *_texts(method="The HTTP method."),
    Column("status", "integer", "HTTP status", "How the call ended."),
    Column("latency_ms", "integer", "milliseconds", "How long the gateway took."),
    *_texts(error_source="Where an error came from.", error_reason="Its reason."),
    *_usage(),
    Column("element", "integer", "", "Which usage of the event it is, from 0."),
    *_texts(
        namespace="The Event Hubs namespace.",
        hub="The event hub.",
        partition_id="The hub's partition.",
    ),
    Column("sequence_number", "integer", "", "The event's number in the partition."),
    Column("enqueued_time", "time", "UTC", "When the hub took the event."),
    *_texts(
        component="The Application Insights component of a metric.",
        metric_profile="The profile that the metric was read by.",
        role_name="The role that the metric names.",
    ),
    Column("bin_seconds", "integer", "seconds", "How long the metric's bin is."),
    Column("as_of", "time", "UTC", "When the bin was read."),
)
"""A ledger document, but for what only the store needs."""

_LATENCY: Final = tuple(
    Column(name, "integer", "requests", f"Requests that took at most {bound:,} ms, above the last.")
    for bound, name in LATENCY_BUCKETS
)

_OF_CALLS: Final = (
    _tokens("unsplit_tokens", "Of calls whose total is more than what they split it into."),
    _tokens("input_tokens_of_parts", "Parts of calls that did not tell their input."),
    _tokens("output_tokens_of_parts", "Parts of calls that did not tell their output."),
    _tokens("cache_write_tokens_of_parts", "Lifetimes of calls that did not tell their sum."),
    Column("images_without_tokens", "integer", "images", "Of calls that told no tokens."),
    Column("duration_ms_without_tokens", "integer", "milliseconds", "Of calls without tokens."),
)
"""What prices need of single calls; see usage_ingest.call_counters."""

ROLLUPS: Final = (
    Column("rollup_id", "text", "", "Identity of the rollup: unique.", stored="id"),
    *_texts(
        subscription_id="The APIM subscription.",
        product_id="The APIM product.",
        app_id="The calling application, or `(other)`.",
        tenant_id="The tenant of the application, or `(other)`.",
    ),
    Column("tags", "json", "", "The tags of `ROLLUP_TAGS`: an object of texts, or null."),
    *_texts(
        gateway="The APIM service.",
        backend="The backend that answered.",
        provider="Who offers the API.",
        api_kind="Which API it is.",
        model="The model that answered, else the one that was asked for.",
        deployment="The deployment that was asked for.",
        served_deployment="The deployment that answered.",
        region="The region of the gateway.",
        service_tier="The service tier.",
    ),
    Column("spillover", "boolean", "", "Whether another deployment answered than was asked."),
    *_texts(context_band="Each call's input: up to `128k`, `200k`, `272k`, or `above_272k`."),
    Column("streaming", "boolean", "", "Whether the answers were streamed."),
    Column("usage_estimated", "boolean", "", "Whether APIM estimated the tokens."),
    *_texts(source="`event_hub` or `metrics` (tokens without requests)."),
    Column("slot", "integer", "", "Which of the documents that share the key: add them up."),
    Column("requests", "integer", "requests", "Calls."),
    Column("failed_requests", "integer", "requests", "Calls with a status of 400 or more."),
    Column("rate_limited_requests", "integer", "requests", "Calls with status 429."),
    Column("requests_without_usage", "integer", "requests", "Calls that have no usage."),
    Column("requests_awaiting_metrics", "integer", "requests", "Calls whose tokens are metrics."),
    Column("latency_ms_sum", "integer", "milliseconds", "Sum of the latencies."),
    *_LATENCY,
    Column(LATENCY_ABOVE, "integer", "requests", "Requests that took longer."),
    *_usage(),
    *_OF_CALLS,
)
"""A rollup document: totals of a day, a key and a slot."""

COLUMNS: Final[dict[Subject, tuple[Column, ...]]] = {"ledger": LEDGER, "rollups": ROLLUPS}
DAY: Final = "day"
"""The UTC day: the partition. It stands in the path of files, and as a column in CSV and Delta."""
