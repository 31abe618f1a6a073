// Everything that usage-ingest needs in Azure, with identities only. docs/deploy.md explains it.
targetScope = 'subscription'

@description('Name of the azd environment; resource names and tags are made from it.')
@minLength(1)
@maxLength(64)
param environmentName string

@description('Region of everything; it must offer Flex Consumption.')
param location string

@description('Resource group that is made; empty: rg- and the environment\'s name.')
param resourceGroupName string = ''

@description('Tags of every resource, beside azd\'s own.')
param tags object = {}

@description('Object id of who runs the commands for operators (azd fills in who deploys); empty for nobody.')
param principalId string = ''

@description('What that principal is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param principalType string = 'User'

@description('Whether that principal gets the roles of an operator.')
param operatorRoles bool = true

@description('Version of Python; the default is the one that every change is tested on first.')
@allowed([
  '3.11'
  '3.12'
  '3.13'
])
param appPythonVersion string = '3.11'

@description('Memory of an instance, in MB.')
@allowed([
  512
  2048
  4096
])
param instanceMemoryMB int = 2048

@description('Most instances at once; an event hub uses at most one for each partition.')
@minValue(1)
@maxValue(1000)
param maximumInstanceCount int = 100

@description('Instances that always wait for HTTP calls; they cost while they wait.')
@minValue(0)
@maxValue(20)
param httpAlwaysReady int = 0

@description('Settings of the app that differ from their defaults, by name, as README.md lists them.')
param settings object = {}

@description('URI of a Key Vault secret with the HMAC keys (id=secret, separated by commas); empty: what would be hashed is dropped.')
param hmacKeysSecretUri string = ''

@description('Resource group of that key vault, to let the app read its secrets; empty: you give the role.')
param keyVaultResourceGroup string = ''

@description('Client id of an app registration: report routes then ask for a sign-in with Entra; empty: function keys alone.')
param entraClientId string = ''

@description('What a call of those routes without a sign-in gets.')
@allowed([
  'Return401'
  'RedirectToLoginPage'
])
param signInAction string = 'Return401'

@description('Redundancy of the host\'s storage; it holds checkpoints and the package, and nothing that is counted.')
@allowed([
  'Standard_LRS'
  'Standard_ZRS'
])
param storageSku string = 'Standard_ZRS'

@description('Name of the event hub.')
@minLength(1)
@maxLength(256)
param eventHubName string = 'usage'

@description('Tier of the Event Hubs namespace.')
@allowed([
  'Standard'
  'Premium'
])
param eventHubsSku string = 'Standard'

@description('Throughput units (Standard) or processing units (Premium).')
@minValue(1)
@maxValue(40)
param eventHubsCapacity int = 1

@description('Throughput units up to which a Standard namespace grows by itself; 0 is not at all. It never shrinks by itself.')
@minValue(0)
@maxValue(40)
param eventHubsMaximumThroughputUnits int = 4

@description('Partitions: the most instances that store at once. Standard cannot change them later, and has at most 32.')
@minValue(1)
@maxValue(100)
param eventHubPartitions int = 8

@description('Days that the hub keeps events, which is how long an outage may last: at most 7 on Standard, 90 on Premium.')
@minValue(1)
@maxValue(90)
param eventHubRetentionDays int = 7

@description('How Cosmos DB is paid: by use (serverless), or by the hour up to a maximum (autoscale).')
@allowed([
  'serverless'
  'autoscale'
])
param cosmosCapacityMode string = 'serverless'

@description('With autoscale: the most request units a second, in steps of 1,000.')
@minValue(1000)
@maxValue(1000000)
param cosmosMaxThroughput int = 1000

@description('With autoscale: whether the copies stand in several zones.')
param cosmosZoneRedundant bool = false

@description('Name of the database.')
@minLength(1)
param cosmosDatabase string = 'usage-ingest'

@description('Days that logs are kept.')
@minValue(30)
@maxValue(730)
param logRetentionDays int = 30

@description('Most that the workspace takes in a day, in GB; -1 is no limit. Beyond it, metrics of streamed requests are lost too.')
@minValue(-1)
param logDailyQuotaGb int = -1

@description('Whether Application Insights also takes telemetry from senders without an Entra identity.')
param appInsightsLocalAuth bool = false

@description('Whether Event Hubs, Cosmos DB and the storage are reached through private endpoints only.')
param privateNetwork bool = false

@description('Addresses of the private network.')
param networkAddressPrefix string = '10.60.0.0/24'

@description('Addresses of the app\'s subnet in it.')
param appAddressPrefix string = '10.60.0.0/25'

@description('Addresses of the endpoints\' subnet in it.')
param endpointsAddressPrefix string = '10.60.0.128/25'

@description('Name of the API Management service that emits usage; empty: none is set up.')
param apimName string = ''

@description('Resource group of that service; empty: the one that is made here.')
param apimResourceGroup string = ''

@description('Whether that service is made here. Most have one: leave it false.')
param createApim bool = false

@description('Tier of a service that is made here.')
@allowed([
  'Developer'
  'BasicV2'
  'StandardV2'
  'Premium'
])
param apimSku string = 'Developer'

@description('Where notices of a service that is made here go; createApim needs it.')
param apimPublisherEmail string = ''

@description('Who publishes the APIs of a service that is made here.')
param apimPublisherName string = 'usage-ingest'

@description('Whether streamed chats are asked to report usage; callers then get one more chunk.')
param apimIncludeUsage bool = true

@description('API that gets a diagnostic with metrics and, if one is chosen, a policy; empty for none.')
param apimApiId string = ''

@description('Whole policy for that API; it takes the place of the one that is there.')
@allowed([
  'none'
  'openai'
  'foundry'
])
param apimApiPolicy string = 'none'

@description('Backend of API Management that the policy sends calls to.')
param apimBackendId string = ''

@description('Whether all APIs emit metrics; it takes the place of a diagnostic of all APIs that is there.')
param apimDiagnosticOfAllApis bool = false

@description('Share of requests, in percent, that Application Insights keeps; events and metrics are not sampled by it.')
@minValue(0)
@maxValue(100)
param apimSamplingPercentage int = 100

@description('Tokens a minute and subscription in the fragment token-limit; 0: the fragment is not made.')
@minValue(0)
param apimTokensPerMinute int = 0

@description('Tenant whose tokens the fragment entra-jwt takes; empty: the fragment is not made.')
param apimEntraTenant string = ''

@description('Audience of those tokens.')
param apimEntraAudience string = ''

@description('Where alerts are sent; empty: they are only shown in the portal.')
param alertEmail string = ''

@description('Alerts that are not to fire, by the names of docs/runbook.md.')
param disabledAlerts array = []

@description('Whether the gateway\'s tier has metrics of its event hub logger; the v2 tiers have none.')
param apimHasEventHubMetrics bool = true

var token = toLower(uniqueString(subscription().id, environmentName, location))
var allTags = union(tags, {
  'azd-env-name': environmentName
})
var groupName = empty(resourceGroupName) ? 'rg-${environmentName}' : resourceGroupName
var hasApim = !empty(apimName)
var apimGroup = createApim || empty(apimResourceGroup) ? groupName : apimResourceGroup
var triggerConsumerGroup = 'functions'
var rereadConsumerGroup = 'reread'

resource group 'Microsoft.Resources/resourceGroups@2025-04-01' = {
  name: groupName
  location: location
  tags: allTags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    location: location
    tags: allTags
    name: 'id-usage-${token}'
  }
}

module monitor 'monitor.bicep' = {
  name: 'monitor'
  scope: group
  params: {
    location: location
    tags: allTags
    workspaceName: 'log-usage-${token}'
    componentName: 'appi-usage-${token}'
    retentionDays: logRetentionDays
    dailyQuotaGb: logDailyQuotaGb
    localAuth: appInsightsLocalAuth
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    location: location
    tags: allTags
    name: 'stusage${token}'
    sku: storageSku
    privateNetwork: privateNetwork
  }
}

module eventHubs 'event-hubs.bicep' = {
  name: 'event-hubs'
  scope: group
  params: {
    location: location
    tags: allTags
    namespaceName: 'evhns-usage-${token}'
    hubName: eventHubName
    triggerConsumerGroup: triggerConsumerGroup
    rereadConsumerGroup: rereadConsumerGroup
    sku: eventHubsSku
    capacity: eventHubsCapacity
    maximumThroughputUnits: eventHubsMaximumThroughputUnits
    partitionCount: eventHubPartitions
    retentionDays: eventHubRetentionDays
    privateNetwork: privateNetwork
  }
}

module cosmos 'cosmos.bicep' = {
  name: 'cosmos'
  scope: group
  params: {
    location: location
    tags: allTags
    accountName: 'cosmos-usage-${token}'
    databaseName: cosmosDatabase
    capacityMode: cosmosCapacityMode
    maxThroughput: cosmosMaxThroughput
    zoneRedundant: cosmosZoneRedundant
    privateNetwork: privateNetwork
  }
}

module roles 'role-assignments.bicep' = {
  name: 'role-assignments'
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    operatorPrincipalId: operatorRoles ? principalId : ''
    operatorPrincipalType: principalType
    storageAccountName: storage.outputs.name
    namespaceName: eventHubs.outputs.namespaceName
    cosmosAccountName: cosmos.outputs.accountName
    workspaceName: monitor.outputs.workspaceName
    componentName: monitor.outputs.componentName
  }
}

module keyVault 'key-vault.bicep' = if (!empty(hmacKeysSecretUri) && !empty(keyVaultResourceGroup)) {
  name: 'key-vault-${token}'
  scope: resourceGroup(empty(keyVaultResourceGroup) ? groupName : keyVaultResourceGroup)
  params: {
    vaultName: empty(hmacKeysSecretUri) ? '' : split(split(hmacKeysSecretUri, '/')[2], '.')[0]
    appPrincipalId: identity.outputs.principalId
  }
}

module network 'network.bicep' = if (privateNetwork) {
  name: 'network'
  scope: group
  params: {
    location: location
    tags: allTags
    name: 'vnet-usage-${token}'
    addressPrefix: networkAddressPrefix
    appAddressPrefix: appAddressPrefix
    endpointsAddressPrefix: endpointsAddressPrefix
    namespaceId: eventHubs.outputs.namespaceId
    cosmosAccountId: cosmos.outputs.accountId
    storageAccountId: storage.outputs.id
  }
  // The Cosmos DB account takes one change at a time: first its roles, then its endpoint.
  dependsOn: [
    roles
  ]
}

module functionApp 'function-app.bicep' = {
  name: 'function-app'
  scope: group
  params: {
    location: location
    tags: allTags
    planName: 'plan-usage-${token}'
    name: 'func-usage-${token}'
    serviceName: 'usage-ingest'
    pythonVersion: appPythonVersion
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    httpAlwaysReady: httpAlwaysReady
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    blobEndpoint: storage.outputs.blobEndpoint
    queueEndpoint: storage.outputs.queueEndpoint
    tableEndpoint: storage.outputs.tableEndpoint
    deploymentContainer: storage.outputs.deploymentContainer
    appInsightsConnectionString: monitor.outputs.connectionString
    eventHubsHostName: eventHubs.outputs.hostName
    hubName: eventHubs.outputs.hubName
    triggerConsumerGroup: triggerConsumerGroup
    rereadConsumerGroup: rereadConsumerGroup
    retentionDays: eventHubRetentionDays
    cosmosEndpoint: cosmos.outputs.endpoint
    databaseName: cosmosDatabase
    metricsTarget: monitor.outputs.workspaceGuid
    hmacKeysSecretUri: hmacKeysSecretUri
    settings: settings
    subnetId: privateNetwork ? network.outputs.appSubnetId : ''
  }
  // Its identity must be able to read the package and the locks before the app starts.
  dependsOn: [
    roles
    keyVault
  ]
}

module signIn 'sign-in.bicep' = if (!empty(entraClientId)) {
  name: 'sign-in'
  scope: group
  params: {
    appName: functionApp.outputs.name
    clientId: entraClientId
    signInAction: signInAction
  }
}

module apimService 'apim-service.bicep' = if (hasApim && createApim) {
  name: 'apim-service'
  scope: group
  params: {
    location: location
    tags: allTags
    name: apimName
    sku: apimSku
    publisherEmail: apimPublisherEmail
    publisherName: apimPublisherName
  }
}

module apimIdentity 'apim-identity.bicep' = if (hasApim) {
  name: 'apim-identity-${token}'
  scope: resourceGroup(apimGroup)
  params: {
    name: apimName
  }
  dependsOn: [
    group
    apimService
  ]
}

module apimRoles 'apim-roles.bicep' = if (hasApim) {
  name: 'apim-roles'
  scope: group
  params: {
    gatewayPrincipalId: hasApim ? apimIdentity.outputs.principalId : ''
    namespaceName: eventHubs.outputs.namespaceName
    hubName: eventHubs.outputs.hubName
    componentName: monitor.outputs.componentName
  }
}

module apim 'apim.bicep' = if (hasApim) {
  name: 'apim-${token}'
  scope: resourceGroup(apimGroup)
  params: {
    name: apimName
    eventHubsHostName: eventHubs.outputs.hostName
    hubName: eventHubs.outputs.hubName
    componentId: monitor.outputs.componentId
    appInsightsConnectionString: monitor.outputs.connectionString
    includeUsage: apimIncludeUsage
    apiId: apimApiId
    apiPolicy: apimApiPolicy
    backendId: apimBackendId
    diagnosticOfAllApis: apimDiagnosticOfAllApis
    samplingPercentage: apimSamplingPercentage
    tokensPerMinute: apimTokensPerMinute
    entraTenant: apimEntraTenant
    entraAudience: apimEntraAudience
  }
  // The logger is refused while the gateway may not send.
  dependsOn: [
    apimRoles
  ]
}

module watching 'watching.bicep' = {
  name: 'watching'
  scope: group
  params: {
    location: location
    tags: allTags
    appInsightsId: monitor.outputs.componentId
    workspaceId: monitor.outputs.workspaceId
    functionAppName: functionApp.outputs.name
    cosmosAccountId: cosmos.outputs.accountId
    eventHubsNamespaceId: eventHubs.outputs.namespaceId
    eventHubName: eventHubs.outputs.hubName
    apimId: hasApim ? apimIdentity.outputs.id : ''
    alertEmail: alertEmail
    disabledAlerts: disabledAlerts
    gatewayHasEventHubMetrics: apimHasEventHubMetrics && !(createApim && endsWith(apimSku, 'V2'))
  }
}

module workbook 'workbook.bicep' = {
  name: 'workbook'
  scope: group
  params: {
    location: location
    tags: allTags
    workspaceId: monitor.outputs.workspaceId
    displayName: 'Usage of ${environmentName}'
  }
}

output AZURE_LOCATION string = location
output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_APP_NAME string = functionApp.outputs.name
output USAGE_INGEST_URL string = 'https://${functionApp.outputs.hostName}'
output USAGE_INGEST_IDENTITY_PRINCIPAL_ID string = identity.outputs.principalId
output EVENT_HUBS_HOST_NAME string = eventHubs.outputs.hostName
output EVENT_HUB_NAME string = eventHubs.outputs.hubName
output COSMOS_ENDPOINT string = cosmos.outputs.endpoint
output LOG_ANALYTICS_WORKSPACE_GUID string = monitor.outputs.workspaceGuid
output APPLICATION_INSIGHTS_NAME string = monitor.outputs.componentName
