// The event hub that gateways write to, with the consumer groups of the app alone.

@description('Where it is made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Event Hubs namespace.')
@minLength(6)
@maxLength(50)
param namespaceName string

@description('Name of the event hub.')
param hubName string

@description('Consumer group of the trigger.')
param triggerConsumerGroup string

@description('Consumer group that gaps are read again from; not the trigger\'s.')
param rereadConsumerGroup string

@description('Tier of the namespace. Basic has neither consumer groups nor retention enough.')
@allowed([
  'Standard'
  'Premium'
])
param sku string

@description('Throughput units (Standard) or processing units (Premium).')
@minValue(1)
@maxValue(40)
param capacity int

@description('Throughput units up to which a Standard namespace grows by itself; 0 is not at all.')
@minValue(0)
@maxValue(40)
param maximumThroughputUnits int

@description('Partitions: the most instances that store at once. Standard cannot change them later.')
@minValue(1)
@maxValue(100)
param partitionCount int

@description('How long events are kept: Standard keeps at most 7 days, Premium 90.')
@minValue(1)
@maxValue(90)
param retentionDays int

@description('Whether it is reached through private endpoints only.')
param privateNetwork bool

var inflates = sku == 'Standard' && maximumThroughputUnits > 0

resource namespace 'Microsoft.EventHub/namespaces@2024-01-01' = {
  name: namespaceName
  location: location
  tags: tags
  sku: {
    name: sku
    tier: sku
    capacity: capacity
  }
  properties: {
    disableLocalAuth: true
    isAutoInflateEnabled: inflates
    maximumThroughputUnits: inflates ? max(capacity, maximumThroughputUnits) : 0
    minimumTlsVersion: '1.2'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
  }
}

// API Management is one of the trusted services: its logger still gets in. The rules are written in
// either case, so that a network that is opened again is open.
resource firewall 'Microsoft.EventHub/namespaces/networkRuleSets@2024-01-01' = {
  parent: namespace
  name: 'default'
  properties: {
    defaultAction: privateNetwork ? 'Deny' : 'Allow'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    trustedServiceAccessEnabled: true
  }
}

resource hub 'Microsoft.EventHub/namespaces/eventhubs@2024-01-01' = {
  parent: namespace
  name: hubName
  properties: {
    partitionCount: partitionCount
    retentionDescription: {
      cleanupPolicy: 'Delete'
      retentionTimeInHours: retentionDays * 24
    }
  }
}

resource trigger 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: hub
  name: triggerConsumerGroup
}

resource reread 'Microsoft.EventHub/namespaces/eventhubs/consumergroups@2024-01-01' = {
  parent: hub
  name: rereadConsumerGroup
}

output namespaceId string = namespace.id
output namespaceName string = namespace.name
output hostName string = split(split(namespace.properties.serviceBusEndpoint, '//')[1], ':')[0]
output hubName string = hub.name
