// What a gateway needs to emit usage: loggers, named values, the fragments of policies/, and, where
// an API is named, its policy and its diagnostic. policies/README.md says what goes where.

@description('Name of the API Management service.')
param name string

@description('Host name of the Event Hubs namespace.')
param eventHubsHostName string

@description('Name of the event hub.')
param hubName string

@description('Resource id of the Application Insights component.')
param componentId string

@description('Connection string of the component; it names the component and opens nothing.')
param appInsightsConnectionString string

@description('Whether streamed chats are asked to report usage; callers then get one more chunk.')
param includeUsage bool

@description('API that gets the policy and the diagnostic; empty for none.')
param apiId string

@description('Whole policy for that API; it takes the place of the one that is there.')
@allowed([
  'none'
  'openai'
  'foundry'
])
param apiPolicy string

@description('Backend of the API\'s policy, which holds the address and the credentials.')
param backendId string

@description('Whether all APIs emit metrics; it takes the place of a diagnostic of all APIs that is there.')
param diagnosticOfAllApis bool

@description('Share of requests that Application Insights keeps; metrics and events are not sampled by it.')
@minValue(0)
@maxValue(100)
param samplingPercentage int

@description('Tokens a minute for each subscription in the fragment token-limit; 0: no such fragment.')
@minValue(0)
param tokensPerMinute int

@description('Tenant whose tokens the fragment entra-jwt takes; empty: no such fragment.')
param entraTenant string

@description('Audience of those tokens.')
param entraAudience string

var hasLimit = tokensPerMinute > 0
var hasTokens = !empty(entraTenant)
var hasOpenai = !empty(apiId) && apiPolicy == 'openai'
var hasFoundry = !empty(apiId) && apiPolicy == 'foundry'

var names = concat([
  {
    name: 'usage-include-usage'
    value: includeUsage ? 'true' : 'false'
  }
], hasOpenai ? [
  {
    name: 'usage-openai-backend'
    value: backendId
  }
] : [], hasFoundry ? [
  {
    name: 'usage-foundry-backend'
    value: backendId
  }
] : [], hasLimit ? [
  {
    name: 'usage-tokens-per-minute'
    value: string(tokensPerMinute)
  }
] : [], hasTokens ? [
  {
    name: 'usage-entra-tenant'
    value: entraTenant
  }
  {
    name: 'usage-entra-audience'
    value: entraAudience
  }
] : [])

// A fragment is named after its file. They are well-formed XML: format xml, not rawxml.
var fragments = concat([
  {
    name: 'usage-inbound'
    value: loadTextContent('../policies/usage-inbound.xml')
  }
  {
    name: 'usage-streaming'
    value: loadTextContent('../policies/usage-streaming.xml')
  }
  {
    name: 'usage-outbound'
    value: loadTextContent('../policies/usage-outbound.xml')
  }
  {
    name: 'usage-on-error'
    value: loadTextContent('../policies/usage-on-error.xml')
  }
], hasLimit ? [
  {
    name: 'token-limit'
    value: loadTextContent('../policies/token-limit.xml')
  }
] : [], hasTokens ? [
  {
    name: 'entra-jwt'
    value: loadTextContent('../policies/entra-jwt.xml')
  }
] : [])

// No body: logging one would hold streams up, and keep what people wrote. No query: some callers
// send their key in it.
var silent = {
  request: {
    headers: []
    body: {
      bytes: 0
    }
    dataMasking: {
      queryParams: [
        {
          value: '*'
          mode: 'Hide'
        }
      ]
    }
  }
  response: {
    headers: []
    body: {
      bytes: 0
    }
  }
}

resource service 'Microsoft.ApiManagement/service@2024-05-01' existing = {
  name: name
}

resource events 'Microsoft.ApiManagement/service/loggers@2024-05-01' = {
  parent: service
  name: 'usage-events'
  properties: {
    loggerType: 'azureEventHub'
    description: 'Usage events for usage-ingest'
    isBuffered: true
    credentials: {
      name: hubName
      endpointAddress: eventHubsHostName
      identityClientId: 'systemAssigned'
    }
  }
}

resource insights 'Microsoft.ApiManagement/service/loggers@2024-05-01' = {
  parent: service
  name: 'usage-insights'
  properties: {
    loggerType: 'applicationInsights'
    description: 'Metrics of streamed requests for usage-ingest'
    resourceId: componentId
    credentials: {
      connectionString: appInsightsConnectionString
      identityClientId: 'systemAssigned'
    }
  }
}

// Without metrics, the token metric of streamed requests is not emitted.
var measured = {
  loggerId: insights.id
  metrics: true
  alwaysLog: 'allErrors'
  httpCorrelationProtocol: 'W3C'
  logClientIp: false
  verbosity: 'information'
  sampling: {
    samplingType: 'fixed'
    percentage: samplingPercentage
  }
  frontend: silent
  backend: silent
}

resource namedValues 'Microsoft.ApiManagement/service/namedValues@2024-05-01' = [for each in names: {
  parent: service
  name: each.name
  properties: {
    displayName: each.name
    value: each.value
    secret: false
  }
}]

resource policyFragments 'Microsoft.ApiManagement/service/policyFragments@2024-05-01' = [for each in fragments: {
  parent: service
  name: each.name
  properties: {
    format: 'xml'
    value: each.value
  }
  dependsOn: [
    events
    namedValues
  ]
}]

resource diagnostic 'Microsoft.ApiManagement/service/diagnostics@2024-05-01' = if (diagnosticOfAllApis) {
  parent: service
  name: 'applicationinsights'
  properties: measured
}

resource api 'Microsoft.ApiManagement/service/apis@2024-05-01' existing = {
  parent: service
  name: empty(apiId) ? 'none' : apiId // asked for nothing where there is none
}

resource apiDiagnostic 'Microsoft.ApiManagement/service/apis/diagnostics@2024-05-01' = if (!empty(apiId)) {
  parent: api
  name: 'applicationinsights'
  properties: measured
}

resource policy 'Microsoft.ApiManagement/service/apis/policies@2024-05-01' = if (hasOpenai || hasFoundry) {
  parent: api
  name: 'policy'
  properties: {
    format: 'xml'
    value: hasOpenai ? loadTextContent('../policies/openai-api.xml') : loadTextContent('../policies/foundry-api.xml')
  }
  dependsOn: [
    policyFragments
  ]
}
