// The gateway as it is: its id, and its system-assigned identity, which the roles are given to.

@description('Name of the API Management service.')
param name string

resource service 'Microsoft.ApiManagement/service@2024-05-01' existing = {
  name: name
}

output id string = service.id
output principalId string = service.identity.principalId
