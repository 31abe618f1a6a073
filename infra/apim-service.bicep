// A gateway of its own, only where one is asked for: most have one already.

@description('Where it is made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the API Management service; it is unique in the world.')
@minLength(1)
@maxLength(50)
param name string

@description('Tier; Consumption has neither streams nor token limits.')
@allowed([
  'Developer'
  'BasicV2'
  'StandardV2'
  'Premium'
])
param sku string

@description('Where notices of the service go: an address of yours.')
@minLength(3)
param publisherEmail string

@description('Who publishes the APIs.')
param publisherName string

resource service 'Microsoft.ApiManagement/service@2024-05-01' = {
  // checkov:skip=CKV_AZURE_107: a gateway for a first look; one for production has its network already
  // checkov:skip=CKV_AZURE_174: a gateway for a first look; one for production has its network already
  name: name
  location: location
  tags: tags
  sku: {
    name: sku
    capacity: 1
  }
  identity: {
    type: 'SystemAssigned'
  }
  properties: {
    publisherEmail: publisherEmail
    publisherName: publisherName
  }
}

output name string = service.name
