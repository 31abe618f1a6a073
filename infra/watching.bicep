// Alert rules over the app's own log lines and over platform metrics, with one action group.
// docs/runbook.md says of each alert what it means and what to do; docs/telemetry.md lists the lines.

@description('Region of the log alert rules: that of the workspace.')
param location string

@description('Tags of every resource.')
param tags object = {}

@description('The Application Insights component that the app sends to.')
param appInsightsId string

@description('The Log Analytics workspace of that component.')
param workspaceId string

@description('Name of the function app: the alert rules are named after it.')
param functionAppName string

@description('The Cosmos DB account.')
param cosmosAccountId string

@description('The Event Hubs namespace.')
param eventHubsNamespaceId string

@description('The event hub that the gateway writes to.')
param eventHubName string

@description('The API Management service; empty: its metrics are not watched.')
param apimId string = ''

@description('Who is told by email; empty: alerts are only listed in Azure Monitor.')
param alertEmail string = ''

@description('Whether the API Management tier has the metrics EventHub...Events; the v2 tiers do not.')
param gatewayHasEventHubMetrics bool = true

@description('Names of alerts (as in docs/runbook.md) that are deployed but do not fire.')
param disabledAlerts array = []

@description('lag: events of one partition beyond our mark, at every look for 30 minutes.')
param lagEvents int = 5000

@description('open-gaps: seconds that a gap may stay open.')
param openGapSeconds int = 1800

@description('nothing-stored: seconds since the newest stored event; the default lets a weekend pass.')
param nothingStoredSeconds int = 259200

@description('dead-letters: new dead letters in an hour that are tolerated.')
param newDeadLetters int = 0

@description('dead-letters-open: open dead letters of one reason that are tolerated.')
param openDeadLetters int = 100

@description('refused-events: events refused over HTTP in an hour that are tolerated.')
param refusedEvents int = 0

@description('watermark: seconds that a source of metrics may be behind, for an hour.')
param watermarkSeconds int = 7200

@description('metrics-failing: failures of one kind in an hour that are tolerated.')
param metricsFailures int = 2

@description('failed-functions: failures of one function and error in an hour that are tolerated.')
param failedFunctions int = 2

@description('high-usage: tokens of one subscription in an hour.')
param tokensPerHour int = 10000000

@description('high-error-rate: percent of a subscription\'s requests that fail, in 30 minutes.')
param errorPercent int = 25

@description('store-throttled: requests that Cosmos DB answers with 429, in 15 minutes.')
param throttledRequests int = 500

@description('hub-throttled: requests that Event Hubs throttles, in 15 minutes.')
param throttledHubRequests int = 0

@description('hub-unread: events in 30 minutes that count as traffic.')
param trafficEvents int = 20

@description('gateway-silent: requests in an hour, to any of its APIs, that count as traffic.')
param trafficRequests int = 200

var logAlerts = [
  {
    name: 'no-health'
    description: 'The app has left no sign of life for 30 minutes: nothing else that it tells can be trusted.'
    severity: 1
    query: loadTextContent('kql/no-health.kql')
    window: 'PT30M'
    aggregation: 'Count'
    measure: null
    operator: 'LessThan'
    threshold: 1
    dimensions: []
  }
  {
    name: 'nothing-stored'
    description: 'No event has been stored for long: the gateway may have stopped sending.'
    severity: 3
    query: loadTextContent('kql/nothing-stored.kql')
    window: 'PT1H'
    aggregation: 'Minimum'
    measure: 'AgeSeconds'
    operator: 'GreaterThan'
    threshold: nothingStoredSeconds
    dimensions: []
  }
  {
    name: 'lag'
    description: 'A partition has been behind for 30 minutes: the app is too slow, or cannot store.'
    severity: 2
    query: loadTextContent('kql/lag.kql')
    window: 'PT30M'
    aggregation: 'Minimum'
    measure: 'Lag'
    operator: 'GreaterThan'
    threshold: lagEvents
    dimensions: [{ name: 'Partition', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'open-gaps'
    description: 'Events that the host passed over could not be read again for long: totals lack them.'
    severity: 2
    query: loadTextContent('kql/open-gaps.kql')
    window: 'PT30M'
    aggregation: 'Maximum'
    measure: 'OpenSeconds'
    operator: 'GreaterThan'
    threshold: openGapSeconds
    dimensions: []
  }
  {
    name: 'lost-events'
    description: 'Events were gone before they were stored: totals lack them for good.'
    severity: 1
    query: loadTextContent('kql/lost-events.kql')
    window: 'PT30M'
    aggregation: 'Count'
    measure: null
    operator: 'GreaterThan'
    threshold: 0
    dimensions: [{ name: 'Alarm', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'alarms'
    description: 'The app alarmed something that needs a person; the alarm names it.'
    severity: 2
    query: loadTextContent('kql/alarms.kql')
    window: 'PT30M'
    aggregation: 'Count'
    measure: null
    operator: 'GreaterThan'
    threshold: 0
    dimensions: [{ name: 'Alarm', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'dead-letters'
    description: 'Events could not be read: totals lack them until they are replayed.'
    severity: 3
    query: loadTextContent('kql/dead-letters.kql')
    window: 'PT1H'
    aggregation: 'Total'
    measure: 'DeadLetters'
    operator: 'GreaterThan'
    threshold: newDeadLetters
    dimensions: []
  }
  {
    name: 'dead-letters-open'
    description: 'Many dead letters of one reason wait to be replayed or dropped.'
    severity: 3
    query: loadTextContent('kql/dead-letters-open.kql')
    window: 'PT1H'
    aggregation: 'Maximum'
    measure: 'Open'
    operator: 'GreaterThan'
    threshold: openDeadLetters
    dimensions: [{ name: 'Reason', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'refused-events'
    description: 'A gateway sends events over HTTP that are refused: only it can send them again.'
    severity: 3
    query: loadTextContent('kql/refused-events.kql')
    window: 'PT1H'
    aggregation: 'Total'
    measure: 'Refused'
    operator: 'GreaterThan'
    threshold: refusedEvents
    dimensions: []
  }
  {
    name: 'watermark'
    description: 'A source of metrics stands still: tokens of streamed requests are missing since then.'
    severity: 2
    query: loadTextContent('kql/watermark.kql')
    window: 'PT1H'
    aggregation: 'Minimum'
    measure: 'AgeSeconds'
    operator: 'GreaterThan'
    threshold: watermarkSeconds
    dimensions: [{ name: 'Source', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'metrics-failing'
    description: 'Metrics of streamed requests cannot be collected, or cannot be used.'
    severity: 3
    query: loadTextContent('kql/metrics-failing.kql')
    window: 'PT1H'
    aggregation: 'Count'
    measure: null
    operator: 'GreaterThan'
    threshold: metricsFailures
    dimensions: [{ name: 'Alarm', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'uncovered-streaming'
    description: 'Streamed requests of a collected day have no tokens: the gateway does not emit their metric.'
    severity: 3
    query: loadTextContent('kql/uncovered-streaming.kql')
    window: 'PT1H'
    aggregation: 'Maximum'
    measure: 'Uncovered'
    operator: 'GreaterThan'
    threshold: 0
    dimensions: []
  }
  {
    name: 'failed-functions'
    description: 'A function fails again and again; the error says why.'
    severity: 2
    query: loadTextContent('kql/failed-functions.kql')
    window: 'PT1H'
    aggregation: 'Maximum'
    measure: 'Failures'
    operator: 'GreaterThan'
    threshold: failedFunctions
    dimensions: [
      { name: 'Function', operator: 'Include', values: ['*'] }
      { name: 'Error', operator: 'Include', values: ['*'] }
    ]
  }
  {
    name: 'high-usage'
    description: 'A subscription uses more tokens in an hour than expected.'
    severity: 3
    query: loadTextContent('kql/high-usage.kql')
    window: 'PT1H'
    aggregation: 'Total'
    measure: 'Tokens'
    operator: 'GreaterThan'
    threshold: tokensPerHour
    dimensions: [{ name: 'Subscription', operator: 'Include', values: ['*'] }]
  }
  {
    name: 'high-error-rate'
    description: 'Many of a subscription\'s requests fail at the gateway or its backends.'
    severity: 3
    query: loadTextContent('kql/high-error-rate.kql')
    window: 'PT30M'
    aggregation: 'Maximum'
    measure: 'ErrorPercent'
    operator: 'GreaterThan'
    threshold: errorPercent
    dimensions: [{ name: 'Subscription', operator: 'Include', values: ['*'] }]
  }
]

var platformAlerts = [
  {
    name: 'hub-unread'
    description: 'Events arrive in the hub and nobody reads it: the app does not run, or has no right to.'
    severity: 1
    scope: eventHubsNamespaceId
    namespace: 'Microsoft.EventHub/namespaces'
    window: 'PT30M'
    criteria: [
      {
        metric: 'IncomingMessages'
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: trafficEvents
        dimensions: [{ name: 'EntityName', operator: 'Include', values: [eventHubName] }]
      }
      {
        metric: 'OutgoingMessages'
        aggregation: 'Total'
        operator: 'LessThan'
        threshold: 1
        dimensions: [{ name: 'EntityName', operator: 'Include', values: [eventHubName] }]
      }
    ]
  }
  {
    name: 'hub-throttled'
    description: 'Event Hubs throttles: the gateway may drop events, and the app reads slower.'
    severity: 2
    scope: eventHubsNamespaceId
    namespace: 'Microsoft.EventHub/namespaces'
    window: 'PT15M'
    criteria: [
      {
        metric: 'ThrottledRequests'
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: throttledHubRequests
        dimensions: []
      }
    ]
  }
  {
    name: 'store-throttled'
    description: 'Cosmos DB answers 429: the app waits, and the lag grows.'
    severity: 2
    scope: cosmosAccountId
    namespace: 'Microsoft.DocumentDB/databaseAccounts'
    window: 'PT15M'
    criteria: [
      {
        metric: 'TotalRequests'
        aggregation: 'Count'
        operator: 'GreaterThan'
        threshold: throttledRequests
        dimensions: [{ name: 'StatusCode', operator: 'Include', values: ['429'] }]
      }
    ]
  }
]

var gatewaySilent = [
  {
    name: 'gateway-silent'
    description: 'The gateway has traffic and sends no events: its policy or its logger is missing.'
    severity: 1
    scope: apimId
    namespace: 'Microsoft.ApiManagement/service'
    window: 'PT1H'
    criteria: [
      {
        metric: 'Requests'
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: trafficRequests
        dimensions: []
      }
      {
        metric: 'EventHubTotalEvents'
        aggregation: 'Total'
        operator: 'LessThan'
        threshold: 1
        dimensions: []
      }
    ]
  }
]

var unsentEvents = [
  { metric: 'EventHubDroppedEvents', name: 'gateway-dropped', why: 'its queue is full' }
  { metric: 'EventHubRejectedEvents', name: 'gateway-rejected', why: 'its logger is misconfigured or has no right to send' }
  { metric: 'EventHubThrottledEvents', name: 'gateway-throttled', why: 'Event Hubs throttles it' }
  { metric: 'EventHubTimedoutEvents', name: 'gateway-timed-out', why: 'Event Hubs does not answer in time' }
]

var gatewayUnsent = [
  for each in unsentEvents: {
    name: each.name
    description: 'The gateway lost events, because ${each.why}: those calls are in no total.'
    severity: 1
    scope: apimId
    namespace: 'Microsoft.ApiManagement/service'
    window: 'PT15M'
    criteria: [
      {
        metric: each.metric
        aggregation: 'Total'
        operator: 'GreaterThan'
        threshold: 0
        dimensions: []
      }
    ]
  }
]

var watchesGateway = !empty(apimId) && gatewayHasEventHubMetrics
var metricAlertsToMake = concat(platformAlerts, watchesGateway ? concat(gatewaySilent, gatewayUnsent) : [])

resource actionGroup 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: '${functionAppName}-alerts'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'usageingest'
    enabled: true
    emailReceivers: empty(alertEmail) ? [] : [
      { name: 'operators', emailAddress: alertEmail, useCommonAlertSchema: true }
    ]
  }
}

@description('Log alerts. The component is part of each query: a workspace may hold those of several.')
resource logAlertRules 'Microsoft.Insights/scheduledQueryRules@2023-12-01' = [
  for alert in logAlerts: {
    name: '${functionAppName}-${alert.name}'
    location: location
    tags: tags
    kind: 'LogAlert'
    properties: {
      displayName: '${functionAppName}: ${alert.name}'
      description: alert.description
      severity: alert.severity
      enabled: !contains(disabledAlerts, alert.name)
      scopes: [workspaceId]
      evaluationFrequency: 'PT15M'
      windowSize: alert.window
      autoMitigate: true
      // The tables exist only once the app has sent something.
      skipQueryValidation: true
      criteria: {
        allOf: [
          {
            query: replace(alert.query, '{component}', toLower(appInsightsId))
            timeAggregation: alert.aggregation
            metricMeasureColumn: alert.measure
            operator: alert.operator
            threshold: alert.threshold
            dimensions: alert.dimensions
            failingPeriods: { numberOfEvaluationPeriods: 1, minFailingPeriodsToAlert: 1 }
          }
        ]
      }
      actions: {
        actionGroups: [actionGroup.id]
        customProperties: { runbook: 'docs/runbook.md, alert ${alert.name}' }
      }
    }
  }
]

@description('Alerts on platform metrics: they fire also when the app itself cannot tell anything.')
resource metricAlertRules 'Microsoft.Insights/metricAlerts@2018-03-01' = [
  for alert in metricAlertsToMake: {
    name: '${functionAppName}-${alert.name}'
    location: 'global'
    tags: tags
    properties: {
      description: '${alert.description} See docs/runbook.md, alert ${alert.name}.'
      severity: alert.severity
      enabled: !contains(disabledAlerts, alert.name)
      scopes: [alert.scope]
      evaluationFrequency: 'PT5M'
      windowSize: alert.window
      autoMitigate: true
      criteria: {
        'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
        allOf: [
          for (criterion, index) in alert.criteria: {
            criterionType: 'StaticThresholdCriterion'
            name: 'criterion${index}'
            metricNamespace: alert.namespace
            metricName: criterion.metric
            timeAggregation: criterion.aggregation
            operator: criterion.operator
            threshold: criterion.threshold
            dimensions: criterion.dimensions
            // Metrics of a new resource are known only after its first traffic.
            skipMetricValidation: true
          }
        ]
      }
      actions: [{ actionGroupId: actionGroup.id }]
    }
  }
]

@description('The action group, for other alerts.')
output actionGroupId string = actionGroup.id
