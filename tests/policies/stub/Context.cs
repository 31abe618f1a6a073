// What a policy expression may see: the documented members of `context`, and nothing else.
// Whatever is missing here does not compile, so a policy cannot rely on it.
// Source: "API Management policy expressions", section "Context variable".
using System;
using System.Collections.Generic;
using System.Runtime.CompilerServices;
using System.Security.Cryptography.X509Certificates;

[assembly: InternalsVisibleTo("Gateway")]

public interface IContext
{
    IApi Api { get; }
    IDeployment Deployment { get; }
    TimeSpan Elapsed { get; }
    ILastError LastError { get; }
    IOperation Operation { get; }
    IProduct Product { get; }
    IRequest Request { get; }
    Guid RequestId { get; }
    IResponse Response { get; }
    ISubscription Subscription { get; }
    DateTime Timestamp { get; }
    bool Tracing { get; }
    IUser User { get; }
    IReadOnlyDictionary<string, object> Variables { get; }
    void Trace(string message);
}

public interface IApi
{
    string Id { get; }
    bool IsCurrentRevision { get; }
    string Name { get; }
    string Path { get; }
    string Revision { get; }
    IUrl ServiceUrl { get; }
    string Version { get; }
}

public interface IDeployment
{
    IGateway Gateway { get; }
    string GatewayId { get; }
    string Region { get; }
    string ServiceId { get; }
    string ServiceName { get; }
    IReadOnlyDictionary<string, X509Certificate2> Certificates { get; }
}

public interface IGateway
{
    string Id { get; }
    string InstanceId { get; }
    bool IsManaged { get; }
}

public interface ILastError
{
    string Source { get; }
    string Reason { get; }
    string Message { get; }
    string Scope { get; }
    string Section { get; }
    string Path { get; }
    string PolicyId { get; }
}

public interface IOperation
{
    string Id { get; }
    string Method { get; }
    string Name { get; }
    string UrlTemplate { get; }
}

public enum ProductState { NotPublished, Published }

public interface IProduct
{
    IEnumerable<IApi> Apis { get; }
    bool ApprovalRequired { get; }
    IEnumerable<IGroup> Groups { get; }
    string Id { get; }
    string Name { get; }
    ProductState State { get; }
    int? SubscriptionLimit { get; }
    bool SubscriptionRequired { get; }
}

public interface IRequest
{
    IMessageBody Body { get; }
    X509Certificate2 Certificate { get; }
    IReadOnlyDictionary<string, string[]> Headers { get; }
    string IpAddress { get; }
    IReadOnlyDictionary<string, string> MatchedParameters { get; }
    string Method { get; }
    IUrl OriginalUrl { get; }
    IUrl Url { get; }
}

public interface IResponse
{
    IMessageBody Body { get; }
    IReadOnlyDictionary<string, string[]> Headers { get; }
    int StatusCode { get; }
    string StatusReason { get; }
}

public interface ISubscription
{
    DateTime CreatedDate { get; }
    DateTime? EndDate { get; }
    string Id { get; }
    string Key { get; }
    string Name { get; }
    string PrimaryKey { get; }
    string SecondaryKey { get; }
    DateTime? StartDate { get; }
}

public interface IUser
{
    string Email { get; }
    string FirstName { get; }
    IEnumerable<IGroup> Groups { get; }
    string Id { get; }
    IEnumerable<IUserIdentity> Identities { get; }
    string LastName { get; }
    string Note { get; }
    DateTime RegistrationDate { get; }
}

public interface IGroup
{
    string Id { get; }
    string Name { get; }
}

public interface IUserIdentity
{
    string Id { get; }
    string Provider { get; }
}

public interface IUrl
{
    string Host { get; }
    string Path { get; }
    int Port { get; }
    IReadOnlyDictionary<string, string[]> Query { get; }
    string QueryString { get; }
    string Scheme { get; }
}

public interface IMessageBody
{
    T As<T>(bool preserveContent = false);
}

public sealed class Jwt
{
    internal Jwt(IReadOnlyDictionary<string, string[]> claims) { Claims = claims; }
    public string Algorithm { get { return "RS256"; } }
    public IEnumerable<string> Audiences { get { return Claims["aud"]; } }
    public IReadOnlyDictionary<string, string[]> Claims { get; private set; }
    public DateTime? ExpirationTime { get { return null; } }
    public string Id { get { return Claims.GetValueOrDefault("jti", null); } }
    public string Issuer { get { return Claims.GetValueOrDefault("iss", null); } }
    public DateTime? NotBefore { get { return null; } }
    public string Subject { get { return Claims.GetValueOrDefault("sub", null); } }
    public string Type { get { return "JWT"; } }
}

public static class ContextExtensions
{
    public static string GetValueOrDefault(
        this IReadOnlyDictionary<string, string[]> values, string name, string defaultValue)
    {
        string[] found;
        return values.TryGetValue(name, out found) ? string.Join(",", found) : defaultValue;
    }

    // Throws where the variable is of another type, as the gateway does.
    public static T GetValueOrDefault<T>(
        this IReadOnlyDictionary<string, object> values, string name, T defaultValue)
    {
        object found;
        return values.TryGetValue(name, out found) ? (T)found : defaultValue;
    }
}
