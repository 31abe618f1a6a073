// Logs, and the metrics of streamed requests: a workspace and an Application Insights component.

@description('Where they are made.')
param location string

@description('Tags of every resource.')
param tags object

@description('Name of the Log Analytics workspace.')
param workspaceName string

@description('Name of the Application Insights component.')
param componentName string

@description('How long logs are kept; the rows of streamed requests are read again within it.')
@minValue(30)
@maxValue(730)
param retentionDays int

@description('Most that the workspace takes in a day, in GB; -1 is no limit. What comes beyond it is lost, metrics of streamed requests too.')
@minValue(-1)
param dailyQuotaGb int

@description('Whether telemetry is taken from senders without an Entra identity.')
param localAuth bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2025-02-01' = {
  name: workspaceName
  location: location
  tags: tags
  properties: {
    sku: {
      name: 'PerGB2018'
    }
    retentionInDays: retentionDays
    workspaceCapping: {
      dailyQuotaGb: dailyQuotaGb
    }
    features: {
      disableLocalAuth: true
      enableLogAccessUsingOnlyResourcePermissions: true
    }
  }
}

resource component 'Microsoft.Insights/components@2020-02-02' = {
  name: componentName
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: !localAuth
    // Without it the dimensions of custom metrics are dropped. The type does not know the property.
    #disable-next-line BCP037
    CustomMetricsOptedInType: 'WithDimensions'
  }
}

output workspaceId string = workspace.id
output workspaceName string = workspace.name
output workspaceGuid string = workspace.properties.customerId
output componentId string = component.id
output componentName string = component.name
output connectionString string = component.properties.ConnectionString
