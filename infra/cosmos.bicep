// The store: one account, one write region, and the containers that the code relies on.

@description('Where it is made; also its only region.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Cosmos DB account.')
@minLength(3)
@maxLength(44)
param accountName string

@description('Name of the database.')
param databaseName string

@description('How request units are paid for: as they are used, or by the hour up to a maximum.')
@allowed([
  'serverless'
  'autoscale'
])
param capacityMode string

@description('With autoscale: the most request units a second that all containers share.')
@minValue(1000)
param maxThroughput int

@description('With autoscale: whether the region\'s copies stand in several zones. Serverless takes what the region has.')
param zoneRedundant bool

@description('Whether it is reached through private endpoints only.')
param privateNetwork bool

// The definitions of usage_ingest/containers.py, which is where they are changed.
var containers = loadJsonContent('containers.json')
var isServerless = capacityMode == 'serverless'

resource account 'Microsoft.DocumentDB/databaseAccounts@2025-04-15' = {
  // checkov:skip=CKV_AZURE_101: privateNetwork closes it; without, Entra identities alone get in
  name: accountName
  location: location
  tags: tags
  kind: 'GlobalDocumentDB'
  properties: {
    databaseAccountOfferType: 'Standard'
    capabilities: isServerless ? [
      {
        name: 'EnableServerless'
      }
    ] : []
    locations: [
      {
        locationName: location
        failoverPriority: 0
        isZoneRedundant: !isServerless && zoneRedundant
      }
    ]
    // Totals are incremented in place: two write regions would lose increments.
    enableMultipleWriteLocations: false
    enableAutomaticFailover: false
    consistencyPolicy: {
      defaultConsistencyLevel: 'Session'
    }
    disableLocalAuth: true
    disableKeyBasedMetadataWriteAccess: true
    minimalTlsVersion: 'Tls12'
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    backupPolicy: {
      type: 'Continuous'
      continuousModeProperties: {
        tier: 'Continuous7Days'
      }
    }
  }
}

resource database 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases@2025-04-15' = {
  parent: account
  name: databaseName
  properties: {
    resource: {
      id: databaseName
    }
    options: isServerless ? {} : {
      autoscaleSettings: {
        maxThroughput: maxThroughput
      }
    }
  }
}

resource stores 'Microsoft.DocumentDB/databaseAccounts/sqlDatabases/containers@2025-04-15' = [for container in containers: {
  parent: database
  name: container.id
  properties: {
    resource: container
  }
}]

output accountId string = account.id
output accountName string = account.name
output endpoint string = account.properties.documentEndpoint
