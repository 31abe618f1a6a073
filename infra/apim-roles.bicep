// What the gateway may do here: write events, and publish its metrics.

@description('Principal id of the gateway\'s identity.')
param gatewayPrincipalId string

@description('Name of the Event Hubs namespace.')
param namespaceName string

@description('Name of the event hub.')
param hubName string

@description('Name of the Application Insights component.')
param componentName string

// Azure Event Hubs Data Sender: the logger, on the one event hub.
var eventHubsDataSender = '2b629674-e913-4c01-ae53-ef4638d8f975'
// Monitoring Metrics Publisher: telemetry with the gateway's identity.
var monitoringMetricsPublisher = '3913510d-42f4-4e42-8a64-420c390055eb'

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' existing = {
  name: namespaceName
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' existing = {
  parent: namespace
  name: hubName
}

resource component 'Microsoft.Insights/components@2020-02-02' existing = {
  name: componentName
}

resource sender 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(hub.id, gatewayPrincipalId, eventHubsDataSender)
  scope: hub
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', eventHubsDataSender)
  }
}

resource publisher 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(component.id, gatewayPrincipalId, monitoringMetricsPublisher)
  scope: component
  properties: {
    principalId: gatewayPrincipalId
    principalType: 'ServicePrincipal'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', monitoringMetricsPublisher)
  }
}
