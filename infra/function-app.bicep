// The app on the Flex Consumption plan, with its settings. Its package comes by azd or func.

@description('Where it is made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the plan.')
param planName string

@description('Name of the function app.')
@maxLength(32)
param name string

@description('azd finds the app by this tag: the service of azure.yaml.')
param serviceName string

@description('Version of Python; the one that the tests run on.')
param pythonVersion string

@description('Memory of an instance, in MB.')
param instanceMemoryMB int

@description('Most instances at once, of all functions.')
param maximumInstanceCount int

@description('Instances that always wait for HTTP calls.')
param httpAlwaysReady int

@description('Resource id of the app\'s identity.')
param identityId string

@description('Client id of the app\'s identity.')
param identityClientId string

@description('Blob endpoint of the host\'s storage.')
param blobEndpoint string

@description('Queue endpoint of the host\'s storage.')
param queueEndpoint string

@description('Table endpoint of the host\'s storage.')
param tableEndpoint string

@description('Blob container of the deployment package.')
param deploymentContainer string

@description('Connection string of Application Insights; it names the component and opens nothing.')
param appInsightsConnectionString string

@description('Host name of the Event Hubs namespace.')
param eventHubsHostName string

@description('Name of the event hub.')
param hubName string

@description('Consumer group of the trigger.')
param triggerConsumerGroup string

@description('Consumer group that gaps are read again from.')
param rereadConsumerGroup string

@description('How long the hub keeps events.')
param retentionDays int

@description('Endpoint of the Cosmos DB account.')
param cosmosEndpoint string

@description('Name of the database.')
param databaseName string

@description('GUID of the workspace that the metrics of streamed requests are read from.')
param metricsTarget string

@description('URI of the Key Vault secret with the HMAC keys; empty for none.')
param hmacKeysSecretUri string

@description('Settings that differ from the defaults below, by name.')
param settings object

@description('Subnet that the app\'s outgoing calls leave from; empty for none.')
param subnetId string

// Every setting with a default in usage_ingest/settings.py; `settings` changes them.
var defaults = {
  LEDGER_TTL_DAYS: '400'
  // A dead letter outlives its event in the hub, or a redelivery would count again.
  DEAD_LETTER_TTL_DAYS: string(max(90, retentionDays + 1))
  DEAD_LETTER_BODY: 'skeleton'
  ROLLUP_SLOTS: '4'
  ROLLUP_TAGS: ''
  END_USER_ID: 'hash'
  CLIENT_IP: 'drop'
  METRICS_TARGETS: metricsTarget
  #disable-next-line no-hardcoded-env-urls
  METRICS_ENDPOINT: 'https://api.loganalytics.io'
  METRICS_PROFILES: 'own'
  METRICS_OVERLAP: '01:00:00'
  METRICS_SETTLING_DELAY: '00:15:00'
  METRICS_INITIAL_LOOKBACK: '24:00:00'
  BILLING_ACCOUNT_ID: 'internal'
  BILLING_ACCOUNT_NAME: 'Internal chargeback'
  INVOICE_ISSUER_NAME: 'Platform team'
  LIST_ESTIMATES: 'on'
  CLOSE_GAPS_SCHEDULE: '0 */5 * * * *'
  METRICS_SCHEDULE: '0 */15 * * * *'
}

// What these resources are; nothing overrides it.
var connections = {
  EventHubConnection__fullyQualifiedNamespace: eventHubsHostName
  EventHubConnection__credential: 'managedidentity'
  EventHubConnection__clientId: identityClientId
  EVENT_HUB_NAME: hubName
  EVENT_HUB_CONSUMER_GROUP: triggerConsumerGroup
  EVENT_HUB_REREAD_CONSUMER_GROUP: rereadConsumerGroup
  EVENT_HUB_RETENTION_DAYS: string(retentionDays)
  COSMOS_ENDPOINT: cosmosEndpoint
  COSMOS_DATABASE: databaseName
  AZURE_CLIENT_ID: identityClientId
  AzureWebJobsStorage__blobServiceUri: blobEndpoint
  AzureWebJobsStorage__queueServiceUri: queueEndpoint
  AzureWebJobsStorage__tableServiceUri: tableEndpoint
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
}

// The host sends the worker's lines on (telemetryMode in host.json), with the app's identity.
var telemetry = {
  APPLICATIONINSIGHTS_CONNECTION_STRING: appInsightsConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
}

// Without keys, what would be hashed is dropped.
var hmacKeys = empty(hmacKeysSecretUri) ? {} : {
  PRIVACY_HMAC_KEYS: '@Microsoft.KeyVault(SecretUri=${hmacKeysSecretUri})'
}

var appSettings = [for each in items(union(defaults, settings, connections, telemetry, hmacKeys)): {
  name: each.key
  value: each.value
}]

resource plan 'Microsoft.Web/serverfarms@2024-11-01' = {
  // checkov:skip=CKV_AZURE_225: what an instance was doing is delivered again to another one, and nothing is kept on it
  name: planName
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    name: 'FC1'
    tier: 'FlexConsumption'
  }
  properties: {
    reserved: true
  }
}

resource app 'Microsoft.Web/sites@2024-11-01' = {
  // checkov:skip=CKV_AZURE_17: gateways call with a function key, people with a sign-in; nobody has a certificate
  // checkov:skip=CKV_AZURE_212: Flex Consumption scales from zero by what waits in the hub; httpAlwaysReady keeps some
  // checkov:skip=CKV_AZURE_213: Flex Consumption replaces instances itself; api/v1/health is asked from outside
  // checkov:skip=CKV_AZURE_222: gateways post events and people read reports from outside the network
  name: name
  location: location
  tags: union(tags, {
    'azd-service-name': serviceName
  })
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identityId}': {}
    }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    publicNetworkAccess: 'Enabled'
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${blobEndpoint}${deploymentContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: httpAlwaysReady == 0 ? [] : [
          {
            name: 'http'
            instanceCount: httpAlwaysReady
          }
        ]
      }
      runtime: {
        name: 'python'
        version: pythonVersion
      }
    }
    siteConfig: {
      appSettings: appSettings
      ftpsState: 'Disabled'
      http20Enabled: true
      minTlsVersion: '1.2'
    }
  }
}

// Nobody publishes with a user name and a password.
resource ftpPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'ftp'
  properties: {
    allow: false
  }
}

resource scmPublishing 'Microsoft.Web/sites/basicPublishingCredentialsPolicies@2024-11-01' = {
  parent: app
  name: 'scm'
  properties: {
    allow: false
  }
}

output id string = app.id
output name string = app.name
output hostName string = app.properties.defaultHostName
