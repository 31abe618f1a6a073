// The host's storage: checkpoints, locks and the deployment package. Identities only, no keys.

@description('Where it is made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the storage account.')
@minLength(3)
@maxLength(24)
param name string

@description('Redundancy: Standard_LRS or Standard_ZRS.')
param sku string

@description('Whether it is reached through private endpoints only.')
param privateNetwork bool

resource account 'Microsoft.Storage/storageAccounts@2025-01-01' = {
  // checkov:skip=CKV_AZURE_35: privateNetwork closes it; without, Entra identities alone get in
  // checkov:skip=CKV_AZURE_206: sku is ZRS unless the region lacks it; what it holds can be lost without losing usage
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  sku: {
    name: sku
  }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: privateNetwork ? 'Disabled' : 'Enabled'
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: privateNetwork ? 'Deny' : 'Allow'
    }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2025-01-01' = {
  parent: account
  name: 'default'
}

// The package of the app; it must be there before the app is.
resource deployments 'Microsoft.Storage/storageAccounts/blobServices/containers@2025-01-01' = {
  parent: blobs
  name: 'deployments'
  properties: {
    publicAccess: 'None'
  }
}

output id string = account.id
output name string = account.name
output blobEndpoint string = account.properties.primaryEndpoints.blob
output queueEndpoint string = account.properties.primaryEndpoints.queue
output tableEndpoint string = account.properties.primaryEndpoints.table
output deploymentContainer string = deployments.name
