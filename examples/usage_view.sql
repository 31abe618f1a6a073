-- Views over what `python -m usage_ingest export rollups` wrote. Columns: docs/export.md.
-- Counts are NULL where nobody reported them, and 0 where they were reported as zero: SUM keeps
-- that, COALESCE would not. Parts (cached, reasoning) are included in input and output.

-- 1. Fabric: the SQL analytics endpoint of a lakehouse whose table `rollups` is the Delta table.
CREATE OR ALTER VIEW dbo.daily_usage AS
SELECT
    day,
    COALESCE(subscription_id, '-') AS subscription_id,
    product_id,
    app_id,
    JSON_VALUE(tags, '$.team') AS team,
    model,
    deployment,
    source,
    CAST(MAX(CAST(usage_estimated AS int)) AS bit) AS usage_estimated,
    SUM(requests) AS requests,
    SUM(failed_requests) AS failed_requests,
    SUM(requests_awaiting_metrics) AS requests_awaiting_metrics,
    SUM(input_tokens) AS input_tokens,
    SUM(cached_input_tokens) AS cached_input_tokens,
    SUM(output_tokens) AS output_tokens,
    SUM(reasoning_output_tokens) AS reasoning_output_tokens
FROM dbo.rollups
GROUP BY day, subscription_id, product_id, app_id, JSON_VALUE(tags, '$.team'), model, deployment, source;
GO

-- 2. Synapse serverless: the Parquet files in a storage account. <account> and <container> are yours.
CREATE OR ALTER VIEW dbo.daily_usage_files AS
SELECT
    CAST(r.filepath(1) AS date) AS day,
    COALESCE(r.subscription_id, '-') AS subscription_id,
    r.model,
    r.deployment,
    r.source,
    SUM(r.requests) AS requests,
    SUM(r.input_tokens) AS input_tokens,
    SUM(r.output_tokens) AS output_tokens
FROM OPENROWSET(
    BULK 'https://<account>.dfs.core.windows.net/<container>/rollups/day=*/rollups.parquet',
    FORMAT = 'PARQUET'
) WITH (
    subscription_id varchar(256),
    model varchar(256),
    deployment varchar(256),
    source varchar(16),
    requests bigint,
    input_tokens bigint,
    output_tokens bigint
) AS r
GROUP BY r.filepath(1), r.subscription_id, r.model, r.deployment, r.source;
GO
