// Easy Auth with Entra: whoever asks for a report signs in.

@description('Name of the function app.')
param appName string

@description('Client id of the app registration that tokens must be for.')
param clientId string

@description('What a call without a sign-in gets.')
param signInAction string

resource app 'Microsoft.Web/sites@2024-11-01' existing = {
  name: appName
}

// It holds for the whole app: routes that are to stay without a sign-in are listed, the others
// ask for it beside their function key.
resource signIn 'Microsoft.Web/sites/config@2024-11-01' = {
  // checkov:skip=CKV_AZURE_13: this resource is that sign-in, in the newer form that the rule does not know
  // checkov:skip=CKV_AZURE_63: a rule for the resource web; calls are in the app's telemetry
  // checkov:skip=CKV_AZURE_65: a rule for the resource web; errors are in the app's telemetry
  // checkov:skip=CKV_AZURE_66: a rule for the resource web; failed calls are in the app's telemetry
  // checkov:skip=CKV_AZURE_80: a rule for .NET; this app is Python
  // checkov:skip=CKV_AZURE_88: a rule for file shares; the app stores nothing in files
  // checkov:skip=CKV_AZURE_222: gateways post events and people read reports from outside the network
  parent: app
  name: 'authsettingsV2'
  properties: {
    platform: {
      enabled: true
    }
    globalValidation: {
      requireAuthentication: true
      unauthenticatedClientAction: signInAction
      redirectToProvider: 'azureactivedirectory'
      excludedPaths: [
        '/api/v1/events'
        '/api/v1/health'
      ]
    }
    httpSettings: {
      requireHttps: true
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: clientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
        validation: {
          allowedAudiences: [
            clientId
            'api://${clientId}'
          ]
        }
      }
    }
    login: {
      tokenStore: {
        enabled: false
      }
    }
  }
}
