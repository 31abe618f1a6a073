// The app's identity: the only thing that reads and writes here; there are no keys.

@description('Where it is made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the user-assigned identity.')
param name string

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2024-11-30' = {
  name: name
  location: location
  tags: tags
}

output id string = identity.id
output clientId string = identity.properties.clientId
output principalId string = identity.properties.principalId
