// Walks policies over fixtures as the gateway would: a JSON line in, a JSON line out.
//   {"types": true}                        what the expressions refer to
//   {"policy": ..., "named": ..., ...}     one call through a policy
// The policies come from plan.json; expressions in it are {"expression": NUMBER}.
using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Reflection;
using System.Text;
using System.Threading;
using Newtonsoft.Json;
using Newtonsoft.Json.Linq;

public sealed class Call
{
    private static readonly Type[] Storable =
    {
        typeof(bool), typeof(byte), typeof(char), typeof(DateTime), typeof(decimal), typeof(double),
        typeof(Guid), typeof(int), typeof(long), typeof(float), typeof(string), typeof(TimeSpan),
        typeof(uint), typeof(ulong)
    };
    private readonly JObject plan;
    private readonly Scene scene;
    private readonly JObject fail;
    private readonly JArray events = new JArray();
    private readonly JArray metrics = new JArray();
    private readonly JArray warnings = new JArray();
    private string section = "inbound";
    private JToken forwarded;
    private string encoding;
    private bool? buffered;
    private bool returned;

    public Call(JObject plan, JObject given)
    {
        this.plan = plan;
        scene = new Scene(given);
        fail = given["fail"] as JObject;
    }

    public JObject Run()
    {
        var policy = (JObject)plan["policies"][(string)scene.Given["policy"]];
        try
        {
            FailAt("authorization");
            foreach (var name in new[] { "inbound", "backend", "outbound" })
            {
                if (returned && name == "backend") { continue; }
                section = name;
                Walk(Part(policy, name));
                FailAt("after-" + name);
            }
        }
        catch (Exception raised)
        {
            OnError(raised);
            section = "on-error";
            try
            {
                Walk(Part(policy, "on-error"));
            }
            catch (Exception again)
            {
                warnings.Add("on-error: " + again.Message);
            }
        }
        return Told();
    }

    private JObject Told()
    {
        var answer = scene.Answered;
        return new JObject(
            new JProperty("events", events),
            new JProperty("metrics", metrics),
            new JProperty("misuses", new JArray(scene.Misuses)),
            new JProperty("warnings", warnings),
            new JProperty("status", answer == null ? null : (int?)answer.StatusCode),
            new JProperty("error", scene.Error == null ? null : scene.Error.Source + ": " + scene.Error.Message),
            new JProperty("buffered", buffered),
            new JProperty("forwarded", forwarded),
            new JProperty("encoding", encoding),
            new JProperty("answer", Sent(answer == null ? null : answer.Content)),
            new JProperty("reads", answer == null || answer.Content == null ? 0 : answer.Content.Reads),
            new JProperty("variables", JObject.FromObject(
                scene.Set.Where(each => !(each.Value is Jwt)).ToDictionary(e => e.Key, e => e.Value))));
    }

    private static JToken Sent(Body body)
    {
        return body == null || body.Consumed ? null : Convert.ToBase64String(body.Content);
    }

    private void OnError(Exception raised)
    {
        var known = raised as PolicyError;
        scene.Error = new LastError
        {
            Source = known == null ? "expression" : known.Origin,
            Reason = known == null ? "ExpressionValueEvaluationFailure" : known.Reason,
            Message = known == null ? raised.ToString() : raised.Message,
            Section = section
        };
        if (known != null && known.Status == 0) { scene.Answered = null; return; }
        scene.Answered = new Response { StatusCode = known == null ? 500 : known.Status };
    }

    private static JObject Part(JObject policy, string name)
    {
        return (JObject)policy["children"].FirstOrDefault(each => (string)each["name"] == name)
            ?? new JObject(new JProperty("name", name), new JProperty("children", new JArray()));
    }

    private void FailAt(string place)
    {
        if (fail == null || (string)fail["at"] != place) { return; }
        throw new PolicyError((string)fail["source"], (string)fail["reason"], (int)fail["status"],
            "planted message");
    }

    private void Walk(JObject parent)
    {
        foreach (JObject node in parent["children"])
        {
            if (returned && section != "outbound") { return; }
            FailAt((string)node["name"]);
            Step(node);
        }
    }

    private void Step(JObject node)
    {
        switch ((string)node["name"])
        {
            case "base":
                return;
            case "set-variable":
                SetVariable(Text(node, "name"), Value(node, "value"));
                return;
            case "choose":
                Choose(node);
                return;
            case "include-fragment":
                Walk((JObject)plan["fragments"][Text(node, "fragment-id")]);
                return;
            case "set-backend-service":
                var address = Text(node, "base-url") ?? "https://" + Text(node, "backend-id") + ".example";
                scene.Asked.Target = new Url(address + scene.Asked.OriginalUrl.Path);
                return;
            case "set-header":
                SetHeader(node);
                return;
            case "set-body":
                SetBody((string)Evaluated(node["text"]));
                return;
            case "log-to-eventhub":
                Log(node);
                return;
            case "llm-emit-token-metric":
            case "azure-openai-emit-token-metric":
                Emit(node);
                return;
            case "llm-token-limit":
                foreach (var name in new[] { "counter-key", "tokens-per-minute" }) { Text(node, name); }
                return;
            case "validate-azure-ad-token":
                Validate(node);
                return;
            case "return-response":
                scene.Answered = new Response { StatusCode = 200 };
                Walk(node);
                returned = true;
                return;
            case "set-status":
                scene.Answered.StatusCode = int.Parse(Text(node, "code"));
                return;
            case "forward-request":
                Forward(node);
                return;
            default:
                throw new InvalidOperationException("no policy is named " + node["name"]);
        }
    }

    private void SetVariable(string name, object value)
    {
        if (value == null || !Storable.Contains(value.GetType()))
        {
            warnings.Add("variable " + name + " is of no basic type");
        }
        scene.Set[name] = value;
    }

    private void Choose(JObject node)
    {
        foreach (JObject branch in node["children"])
        {
            if ((string)branch["name"] == "otherwise" || (bool)Value(branch, "condition"))
            {
                Walk(branch);
                return;
            }
        }
    }

    private void SetHeader(JObject node)
    {
        var headers = section == "inbound" ? scene.Asked.Given : scene.Answered.Given;
        headers[Text(node, "name")] = node["children"].Select(each => (string)Evaluated(each["text"])).ToArray();
    }

    private void SetBody(string text)
    {
        var body = new Body(section, Encoding.UTF8.GetBytes(text), null, scene.Misuses);
        if (section == "inbound") { scene.Asked.Content = body; } else { scene.Answered.Content = body; }
    }

    private void Log(JObject node)
    {
        events.Add(new JObject(
            new JProperty("logger", Text(node, "logger-id")),
            new JProperty("key", Text(node, "partition-key")),
            new JProperty("section", section),
            new JProperty("body", Convert.ToString(Evaluated(node["text"])))));
    }

    private void Emit(JObject node)
    {
        var dimensions = new JObject();
        foreach (JObject each in node["children"])
        {
            dimensions[Text(each, "name")] = Convert.ToString(Value(each, "value"));
        }
        metrics.Add(new JObject(
            new JProperty("namespace", Text(node, "namespace")),
            new JProperty("section", section),
            new JProperty("dimensions", dimensions)));
    }

    private void Validate(JObject node)
    {
        var claims = scene.Given["token"] as JObject;
        if (claims == null)
        {
            throw new PolicyError("validate-azure-ad-token", "TokenNotPresent", 401, "JWT not present.");
        }
        SetToken(Text(node, "output-token-variable-name"), new Jwt(new Headers(claims)));
    }

    private void SetToken(string name, Jwt token)
    {
        if (name != null) { scene.Set[name] = token; }
    }

    private void Forward(JObject node)
    {
        var given = scene.Given["response"] as JObject;
        forwarded = Sent(scene.Asked.Content);
        encoding = scene.Asked.Given.GetValueOrDefault("Accept-Encoding", null);
        buffered = Text(node, "buffer-response") != "false";
        if (given == null)
        {
            throw new PolicyError("forward-request", "BackendConnectionFailure", 500, "planted message");
        }
        var headers = new Headers(given["headers"]);
        var streamed = headers.GetValueOrDefault("Content-Type", "").Contains("event-stream");
        var flow = streamed ? "streamed" : buffered == false ? "unbuffered" : null;
        scene.Answered = new Response
        {
            StatusCode = (int)given["status"],
            Given = headers,
            Content = scene.NewBody("response", given["body"], flow)
        };
    }

    private string Text(JObject node, string attribute)
    {
        var found = node["attributes"][attribute];
        return found == null ? null : Convert.ToString(Evaluated(found));
    }

    private object Value(JObject node, string attribute)
    {
        return Evaluated(node["attributes"][attribute]);
    }

    private object Evaluated(JToken value)
    {
        if (value == null || value.Type == JTokenType.Null) { return null; }
        var expression = value as JObject;
        if (expression == null) { return (string)value; }
        return Table.All[(int)expression["expression"]](scene);
    }
}

public static class Program
{
    public static void Main(string[] arguments)
    {
        // A gateway's culture is not ours to choose: one that writes numbers and dates otherwise.
        Thread.CurrentThread.CurrentCulture = new CultureInfo("de-DE");
        var plan = JObject.Parse(File.ReadAllText(arguments[0]));
        var input = new StreamReader(Console.OpenStandardInput(), new UTF8Encoding(false));
        var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false));
        string line;
        while ((line = input.ReadLine()) != null)
        {
            JObject told;
            try
            {
                var given = ParsedAsIs(line);
                told = given["types"] != null ? References.Told() : new Call(plan, given).Run();
            }
            catch (Exception error)
            {
                told = new JObject(new JProperty("broken", error.ToString()));
            }
            output.WriteLine(JsonConvert.SerializeObject(told));
            output.Flush();
        }
    }

    private static JObject ParsedAsIs(string line)
    {
        using (var reader = new JsonTextReader(new StringReader(line)))
        {
            reader.DateParseHandling = DateParseHandling.None;
            return JObject.Load(reader);
        }
    }
}

public static class References
{
    private const int TypeReferences = 0x01000000;
    private const int MemberReferences = 0x0A000000;

    // What the compiled expressions refer to, from the tables of their assembly.
    public static JObject Told()
    {
        var module = typeof(Expressions).Module;
        var types = new SortedSet<string>();
        var members = new SortedSet<string>();
        foreach (var token in Enumerable.Range(1, 10000))
        {
            try { types.Add(Name(module.ResolveType(TypeReferences + token))); }
            catch (ArgumentException) { break; }
        }
        foreach (var token in Enumerable.Range(1, 10000))
        {
            try
            {
                var member = module.ResolveMember(MemberReferences + token);
                members.Add(Name(member.DeclaringType) + " " + member.Name);
                foreach (var argument in member.DeclaringType.GetGenericArguments())
                {
                    types.Add(Name(argument));
                }
            }
            catch (ArgumentException) { break; }
        }
        return new JObject(
            new JProperty("types", new JArray(types)), new JProperty("members", new JArray(members)));
    }

    private static string Name(Type type)
    {
        while (type.HasElementType) { type = type.GetElementType(); }
        var plain = type.IsGenericType ? type.GetGenericTypeDefinition() : type;
        return plain.FullName ?? plain.Name;
    }
}
