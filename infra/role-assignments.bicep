// Who may do what: the app, and whoever deploys it if named. There are no other ways in.

@description('Principal id of the app\'s identity.')
param appPrincipalId string

@description('Object id of a person, group or service principal that runs the commands for operators; empty for none.')
param operatorPrincipalId string

@description('What the operator is.')
@allowed([
  'User'
  'Group'
  'ServicePrincipal'
])
param operatorPrincipalType string

@description('Name of the host\'s storage account.')
param storageAccountName string

@description('Name of the Event Hubs namespace.')
param namespaceName string

@description('Name of the Cosmos DB account.')
param cosmosAccountName string

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param componentName string

var roles = {
  // Azure Event Hubs Data Receiver: the trigger, and reading again.
  eventHubsDataReceiver: 'a638d3c7-ab3a-418d-83e6-5f17a39d4fde'
  // Azure Event Hubs Data Sender: POST api/v1/events.
  eventHubsDataSender: '2b629674-e913-4c01-ae53-ef4638d8f975'
  // Storage Blob Data Owner: checkpoints and locks of the host, and the deployment package.
  storageBlobDataOwner: 'b7e6dc6d-f1e8-4753-8033-0f276bb0955b'
  // Storage Queue Data Contributor: the host's own queues.
  storageQueueDataContributor: '974c5e8b-45b9-4653-ba55-5f855dd0fb88'
  // Storage Table Data Contributor: the host's own tables.
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  // Monitoring Metrics Publisher: telemetry with the app's identity.
  monitoringMetricsPublisher: '3913510d-42f4-4e42-8a64-420c390055eb'
  // Log Analytics Reader: the metrics of streamed requests.
  logAnalyticsReader: '73c42c96-874c-492b-b04d-ab87d138a893'
}
// Cosmos DB Built-in Data Contributor: a role of the data plane, given within the account.
var cosmosDataContributor = '00000000-0000-0000-0000-000000000002'

var operators = empty(operatorPrincipalId) ? [] : [
  operatorPrincipalId
]
var cosmosPrincipals = concat([
  appPrincipalId
], operators)

resource storage 'Microsoft.Storage/storageAccounts@2025-01-01' existing = {
  name: storageAccountName
}

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource cosmos 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' existing = {
  name: cosmosAccountName
}

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' existing = {
  name: workspaceName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource storageRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [
  roles.storageBlobDataOwner
  roles.storageQueueDataContributor
  roles.storageTableDataContributor
]: {
  name: guid(storage.id, appPrincipalId, role)
  scope: storage
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource eventHubsRoles 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in [
  roles.eventHubsDataReceiver
  roles.eventHubsDataSender
]: {
  name: guid(namespace.id, appPrincipalId, role)
  scope: namespace
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
  }
}]

resource workspaceRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(workspace.id, appPrincipalId, roles.logAnalyticsReader)
  scope: workspace
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.logAnalyticsReader)
  }
}

resource componentRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, appPrincipalId, roles.monitoringMetricsPublisher)
  scope: component
  properties: {
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.monitoringMetricsPublisher)
  }
}

// One after the other: the account refuses a change while another one goes on.
@batchSize(1)
resource cosmosRoles 'Microsoft.DocumentDB/databaseAccounts/sqlRoleAssignments@2025-04-15' = [for principal in cosmosPrincipals: {
  parent: cosmos
  name: guid(cosmos.id, principal, cosmosDataContributor)
  properties: {
    principalId: principal
    roleDefinitionId: '${cosmos.id}/sqlRoleDefinitions/${cosmosDataContributor}'
    scope: cosmos.id
  }
}]

// The commands read the hub (backfill, replay) and the metrics; they publish nothing.
resource operatorHubRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for operator in operators: {
  name: guid(namespace.id, operator, roles.eventHubsDataReceiver)
  scope: namespace
  properties: {
    principalId: operator
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.eventHubsDataReceiver)
  }
}]

resource operatorWorkspaceRole 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for operator in operators: {
  name: guid(workspace.id, operator, roles.logAnalyticsReader)
  scope: workspace
  properties: {
    principalId: operator
    principalType: operatorPrincipalType
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.logAnalyticsReader)
  }
}]
