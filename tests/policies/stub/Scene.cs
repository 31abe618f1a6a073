// The documented `context` over one fixture; every misuse of a body is written down.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Xml.Linq;
using Newtonsoft.Json.Linq;

public sealed class PolicyError : Exception
{
    public PolicyError(string source, string reason, int status, string message) : base(message)
    {
        Origin = source;
        Reason = reason;
        Status = status;
    }

    public readonly string Origin;
    public readonly string Reason;
    public readonly int Status;
}

public sealed class Headers : Dictionary<string, string[]>
{
    public Headers(JToken given) : base(StringComparer.OrdinalIgnoreCase)
    {
        foreach (var each in ((given as JObject) ?? new JObject()).Properties())
        {
            var many = each.Value as JArray;
            this[each.Name] = many == null
                ? new[] { (string)each.Value }
                : many.Select(one => (string)one).ToArray();
        }
    }
}

public sealed class Body : IMessageBody
{
    private static readonly Type[] Documented =
    {
        typeof(string), typeof(byte[]), typeof(JObject), typeof(JToken), typeof(JArray),
        typeof(XNode), typeof(XElement), typeof(XDocument)
    };
    private readonly string name;
    private readonly string flow;
    private readonly List<string> misuses;

    public Body(string name, byte[] content, string flow, List<string> misuses)
    {
        this.name = name;
        this.flow = flow;
        this.misuses = misuses;
        Content = content;
    }

    public byte[] Content { get; private set; }
    public bool Consumed { get; private set; }
    public int Reads { get; private set; }

    public T As<T>(bool preserveContent = false)
    {
        Reads += 1;
        if (flow != null) { misuses.Add("the " + flow + " " + name + " body was read"); }
        if (Consumed) { throw new InvalidOperationException("the " + name + " body is consumed"); }
        if (!Documented.Contains(typeof(T)))
        {
            throw new InvalidOperationException("no body is read as " + typeof(T));
        }
        if (!preserveContent)
        {
            Consumed = true;
            misuses.Add("the " + name + " body was consumed");
        }
        var text = Encoding.UTF8.GetString(Content);
        if (typeof(T) == typeof(string)) { return (T)(object)text; }
        if (typeof(T) == typeof(byte[])) { return (T)(object)Content; }
        if (typeof(XNode).IsAssignableFrom(typeof(T))) { return (T)(object)XDocument.Parse(text); }
        return (T)(object)JToken.Parse(text);
    }
}

public sealed class Url : IUrl
{
    public Url(string text)
    {
        var parts = new Uri(text);
        Host = parts.Host;
        Path = parts.AbsolutePath;
        Port = parts.Port;
        QueryString = parts.Query;
        Scheme = parts.Scheme;
        var query = new Dictionary<string, string[]>();
        foreach (var pair in parts.Query.TrimStart('?').Split('&').Where(each => each != ""))
        {
            var mark = pair.IndexOf('=');
            var key = mark < 0 ? pair : pair.Substring(0, mark);
            query[key] = new[] { mark < 0 ? "" : Uri.UnescapeDataString(pair.Substring(mark + 1)) };
        }
        Query = query;
    }

    public string Host { get; private set; }
    public string Path { get; private set; }
    public int Port { get; private set; }
    public IReadOnlyDictionary<string, string[]> Query { get; private set; }
    public string QueryString { get; private set; }
    public string Scheme { get; private set; }
}

public sealed class Named : IApi, IOperation, ISubscription, IProduct, IUser, IGateway
{
    private readonly JObject given;

    private Named(JObject given) { this.given = given; }

    public static Named Of(JToken given) { return given is JObject ? new Named((JObject)given) : null; }

    public string Id { get { return (string)given["id"]; } }
    public string Name { get { return (string)given["name"]; } }
    public bool IsCurrentRevision { get { return true; } }
    public string Path { get { return (string)given["path"]; } }
    public string Revision { get { return "1"; } }
    public IUrl ServiceUrl { get { return null; } }
    public string Version { get { return null; } }
    public string Method { get { return (string)given["method"]; } }
    public string UrlTemplate { get { return (string)given["template"]; } }
    public DateTime CreatedDate { get { return DateTime.MinValue; } }
    public DateTime? EndDate { get { return null; } }
    public DateTime? StartDate { get { return null; } }
    public string Key { get { return "planted-key"; } }
    public string PrimaryKey { get { return "planted-key"; } }
    public string SecondaryKey { get { return "planted-key"; } }
    public IEnumerable<IApi> Apis { get { return new IApi[0]; } }
    public bool ApprovalRequired { get { return false; } }
    public IEnumerable<IGroup> Groups { get { return new IGroup[0]; } }
    public ProductState State { get { return ProductState.Published; } }
    public int? SubscriptionLimit { get { return null; } }
    public bool SubscriptionRequired { get { return true; } }
    public string Email { get { return "planted@contoso.com"; } }
    public string FirstName { get { return "planted"; } }
    public string LastName { get { return "planted"; } }
    public string Note { get { return "planted"; } }
    public IEnumerable<IUserIdentity> Identities { get { return new IUserIdentity[0]; } }
    public DateTime RegistrationDate { get { return DateTime.MinValue; } }
    public string InstanceId { get { return "instance-0"; } }
    public bool IsManaged { get { return Id == "managed"; } }
}

public sealed class Request : IRequest
{
    public Body Content;
    public Headers Given;
    public IUrl Target;

    public IMessageBody Body { get { return Content; } }
    public X509Certificate2 Certificate { get { return null; } }
    public IReadOnlyDictionary<string, string[]> Headers { get { return Given; } }
    public string IpAddress { get { return "203.0.113.77"; } }
    public IReadOnlyDictionary<string, string> MatchedParameters
    {
        get { return new Dictionary<string, string>(); }
    }
    public string Method { get; set; }
    public IUrl OriginalUrl { get; set; }
    public IUrl Url { get { return Target; } }
}

public sealed class Response : IResponse
{
    public Body Content;
    public Headers Given = new Headers(null);

    public IMessageBody Body { get { return Content; } }
    public IReadOnlyDictionary<string, string[]> Headers { get { return Given; } }
    public int StatusCode { get; set; }
    public string StatusReason { get; set; }
}

public sealed class LastError : ILastError
{
    public string Source { get; set; }
    public string Reason { get; set; }
    public string Message { get; set; }
    public string Scope { get { return "api"; } }
    public string Section { get; set; }
    public string Path { get { return ""; } }
    public string PolicyId { get { return ""; } }
}

public sealed class Scene : IContext, IDeployment
{
    public readonly JObject Given;
    public readonly List<string> Misuses = new List<string>();
    public readonly Dictionary<string, object> Set = new Dictionary<string, object>();
    public readonly Request Asked = new Request();
    public Response Answered;
    public LastError Error;

    public Scene(JObject given)
    {
        Given = given;
        var request = (JObject)given["request"];
        Asked.Method = (string)request["method"];
        Asked.OriginalUrl = new Url((string)request["url"]);
        Asked.Target = Asked.OriginalUrl;
        Asked.Given = new Headers(request["headers"]);
        Asked.Content = NewBody("request", request["body"], null);
    }

    public Body NewBody(string name, JToken base64, string flow)
    {
        return base64 == null || base64.Type == JTokenType.Null
            ? null
            : new Body(name, Convert.FromBase64String((string)base64), flow, Misuses);
    }

    public IApi Api { get { return Named.Of(Given["api"]); } }
    public IDeployment Deployment { get { return this; } }
    public TimeSpan Elapsed { get { return TimeSpan.FromMilliseconds((double)Given["elapsed_ms"]); } }
    public ILastError LastError { get { return Error; } }
    public IOperation Operation { get { return Named.Of(Given["operation"]); } }
    public IProduct Product { get { return Named.Of(Given["product"]); } }
    public IRequest Request { get { return Asked; } }
    public Guid RequestId { get { return Guid.Parse((string)Given["request_id"]); } }
    public IResponse Response { get { return Answered; } }
    public ISubscription Subscription { get { return Named.Of(Given["subscription"]); } }
    public DateTime Timestamp
    {
        get
        {
            return new DateTime((long)Given["ticks"], DateTimeKind.Utc);
        }
    }
    public bool Tracing { get { return false; } }
    public IUser User { get { return Named.Of(Given["user"]); } }
    public IReadOnlyDictionary<string, object> Variables { get { return Set; } }
    public void Trace(string message) { }

    public IGateway Gateway { get { return Named.Of(Given["gateway"]); } }
    public string GatewayId { get { return "managed"; } }
    public string Region { get { return (string)Given["region"]; } }
    public string ServiceId { get { return "apim"; } }
    public string ServiceName { get { return (string)Given["service"]; } }
    public IReadOnlyDictionary<string, X509Certificate2> Certificates
    {
        get { return new Dictionary<string, X509Certificate2>(); }
    }
}
