// The Azure Monitor workbook: usage, errors, latency, lag, dead letters and watermarks.

@description('Region of the workbook.')
param location string

@description('Tags of the workbook.')
param tags object = {}

@description('The Log Analytics workspace that the app\'s component sends to.')
param workspaceId string

@description('What the workbook is called in the portal.')
param displayName string = 'Usage ingest'

resource workbook 'Microsoft.Insights/workbooks@2022-04-01' = {
  name: guid(resourceGroup().id, 'usage-ingest-workbook', displayName)
  location: location
  tags: tags
  kind: 'shared'
  properties: {
    displayName: displayName
    category: 'workbook'
    version: '1.0'
    sourceId: workspaceId
    serializedData: loadTextContent('workbook/usage-ingest.workbook.json')
  }
}

@description('The workbook\'s resource id.')
output workbookId string = workbook.id
