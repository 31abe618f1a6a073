"""The triggers and routes of the app: func.* in, one verb called, func.* out.

Importing this file needs no settings, connects to nothing and imports no SDK but azure.functions:
the host imports it to index the functions. One bad annotation takes the whole app down there, so
the trigger's argument is typing.List, not list.
"""

import json
import logging
import typing
from datetime import UTC, datetime

import azure.functions as func

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)

# The SDKs log every request at INFO, and the host would send each line on.
logging.getLogger("azure.core").setLevel(logging.WARNING)
logging.getLogger("azure.cosmos").setLevel(logging.WARNING)
logging.getLogger("azure.eventhub").setLevel(logging.WARNING)
logging.getLogger("azure.identity").setLevel(logging.WARNING)


@app.function_name("ingest_usage_events")
@app.event_hub_message_trigger(
    arg_name="events",
    event_hub_name="%EVENT_HUB_NAME%",
    connection="EventHubConnection",
    consumer_group="%EVENT_HUB_CONSUMER_GROUP%",
    cardinality=func.Cardinality.MANY,
    data_type=func.DataType.BINARY,
)
@app.retry(
    strategy="exponential_backoff",
    max_retry_count="-1",
    minimum_interval="00:00:02",
    maximum_interval="00:05:00",
)
async def ingest_usage_events(events: typing.List[func.EventHubEvent]) -> None:
    """Store a batch of one partition; raises while the store cannot write: the host retries."""
    from usage_ingest import telemetry, wiring
    from usage_ingest.events.ingest import Batch
    from usage_ingest.ports import ReceivedEvent

    if not events:
        return
    received = [
        ReceivedEvent(each.get_body(), each.sequence_number, _utc(each.enqueued_time))
        for each in events
    ]
    with telemetry.failures_told("ingest_usage_events"):
        await wiring.running().ingest.batch(Batch(_partition_id(events[0]), received))


@app.function_name("close_gaps")
@app.timer_trigger(arg_name="timer", schedule="%CLOSE_GAPS_SCHEDULE%", run_on_startup=False)
async def close_gaps(timer: func.TimerRequest) -> None:
    """Find what the host passed over, read it again and store it."""
    from usage_ingest import telemetry, wiring
    from usage_ingest.events.gaps import close_gaps as close
    from usage_ingest.health import tell_health

    del timer  # whether it is late makes no difference
    with telemetry.failures_told("close_gaps"):
        running = wiring.running()
        try:
            await close(running.ingest, running.settings.event_hub_retention_days)
        finally:
            letter_days = running.settings.dead_letter_ttl_days
            await tell_health(running.reports, running.clock, letter_days)


@app.function_name("collect_streaming_metrics")
@app.timer_trigger(arg_name="timer", schedule="%METRICS_SCHEDULE%", run_on_startup=False)
async def collect_streaming_metrics(timer: func.TimerRequest) -> None:
    """Collect what APIM measured of streamed requests since the last run."""
    from usage_ingest import telemetry, wiring
    from usage_ingest.health import tell_streaming

    del timer  # the watermark says where to go on, however late it is
    with telemetry.failures_told("collect_streaming_metrics"):
        running = wiring.running()
        try:
            async with wiring.collecting(running) as collect:
                await collect.run()
        finally:
            await tell_streaming(running.reports, running.clock)


@app.function_name("accept_usage_events")
@app.route(route="v1/events", methods=["POST"])
async def accept_usage_events(req: func.HttpRequest) -> func.HttpResponse:
    """Take usage events of gateways that cannot write to the Event Hub: all of a body, or none."""
    from usage_ingest import wiring
    from usage_ingest.errors import UsageIngestError

    try:
        accepted = await wiring.running().accept.events(req.get_body())
    except UsageIngestError as error:
        return _problem(error, "accept_usage_events")
    return _json({"accepted": accepted}, status=202)


@app.function_name("usage_summary")
@app.route(route="v1/usage/summary", methods=["GET"])
async def usage_summary(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what was used, by whom, and what that covers."""
    from usage_ingest import wiring
    from usage_ingest.errors import UsageIngestError
    from usage_ingest.summary import is_complete, summarise
    from usage_ingest.summary_csv import to_csv
    from usage_ingest.summary_query import parse_query

    try:
        running = wiring.running()
        now = running.clock.now()
        query = parse_query(req.params, now.date(), running.settings.rollup_tags)
        summary = await summarise(query, running.reports, now)
    except UsageIngestError as error:
        return _problem(error, "usage_summary")
    headers = {"X-Usage-Complete": "true" if is_complete(summary) else "false"}
    if query.format == "csv":
        return func.HttpResponse(to_csv(summary), mimetype="text/csv", headers=headers)
    return _json(summary, headers=headers)


@app.function_name("chargeback_report")
@app.route(route="v1/chargeback/report", methods=["GET"])
async def chargeback_report(req: func.HttpRequest) -> func.HttpResponse:
    """Answer what usage costs, who pays for it, and how far that can be trusted."""
    from usage_ingest import wiring
    from usage_ingest.chargeback.answer import answer
    from usage_ingest.chargeback.report_query import parse_report_query
    from usage_ingest.errors import UsageIngestError
    from usage_ingest.from_settings import biller

    try:
        running = wiring.running()
        now = running.clock.now()
        query = parse_report_query(req.params, now.date(), running.settings.rollup_tags)
        found = await answer(query, running.chargeback, biller(running.settings), now)
    except UsageIngestError as error:
        return _problem(error, "chargeback_report")
    headers = dict(found.headers)
    return func.HttpResponse(found.body, mimetype=found.mimetype, headers=headers)


@app.function_name("health")
@app.route(route="v1/health", methods=["GET"], auth_level=func.AuthLevel.ANONYMOUS)
async def health(req: func.HttpRequest) -> func.HttpResponse:
    """Answer ok or not ok, and no more: anybody may ask."""
    from usage_ingest import wiring
    from usage_ingest.errors import UsageIngestError
    from usage_ingest.problem import RETRY

    del req
    try:
        await wiring.running().reports.reader.check()
    except UsageIngestError:
        return _json({"status": "not ok"}, status=503, headers=dict(RETRY))
    return _json({"status": "ok"})


@app.function_name("status")
@app.route(route="v1/status", methods=["GET"])
async def status(req: func.HttpRequest) -> func.HttpResponse:
    """Answer how the dependencies are, how far each partition is, and what is missing."""
    from usage_ingest import wiring
    from usage_ingest.errors import UsageIngestError
    from usage_ingest.status import status as read_status

    del req
    try:
        running = wiring.running()
        found = await read_status(
            running.reports,
            running.reader,
            running.clock,
            running.settings.dead_letter_ttl_days,
        )
    except UsageIngestError as error:
        return _problem(error, "status")
    return _json(found)


_OUR_FAULT = 500


def _partition_id(event: func.EventHubEvent) -> str | None:
    """Read the partition from the metadata, which every event of a batch parses anew."""
    metadata: typing.Mapping[str, typing.Any] = event.metadata or {}
    context = metadata.get("PartitionContext")
    found = context.get("PartitionId") if isinstance(context, dict) else None
    return None if found is None else str(found)


def _utc(moment: datetime | None) -> datetime | None:
    """Add the zone that the library leaves out."""
    if moment is None or moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=UTC)


def _json(
    content: typing.Mapping[str, typing.Any],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    mimetype: str = "application/json",
) -> func.HttpResponse:
    return func.HttpResponse(
        json.dumps(content), status_code=status, mimetype=mimetype, headers=headers
    )


def _problem(error: Exception, function: str) -> func.HttpResponse:
    """Answer an error as problem+json; what is no caller's fault is alarmed."""
    from usage_ingest import telemetry
    from usage_ingest.problem import MIMETYPE, problem_of

    found = problem_of(error)
    if found.status >= _OUR_FAULT:
        telemetry.failed(function, error)
    headers = dict(found.headers) if found.headers else None
    return _json(found.content, status=found.status, headers=headers, mimetype=MIMETYPE)
