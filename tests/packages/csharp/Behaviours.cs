/* Runs clients/behaviours.json with the C# client, on a clock that moves only when told. Argument: the table's path. */
using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using System.Web.Script.Serialization;
using AvatarMint;
using Members = System.Collections.Generic.Dictionary<string, object>;

/// Runs continuations when told, and is the client's clock.
sealed class VirtualTime : SynchronizationContext, IMintTime
{
    sealed class Timer
    {
        internal double At;
        internal TaskCompletionSource<bool> Done = new TaskCompletionSource<bool>();
    }

    readonly Queue<Action> ready = new Queue<Action>();
    readonly List<Timer> timers = new List<Timer>();

    internal VirtualTime(double wall) => Wall = wall;

    public double Wall { get; internal set; }
    public double Monotonic { get; private set; }

    public override void Post(SendOrPostCallback run, object state) => ready.Enqueue(() => run(state));

    public Task Delay(double seconds, CancellationToken cancel)
    {
        var timer = new Timer { At = Monotonic + seconds };
        timers.Add(timer);
        cancel.Register(() => { if (timers.Remove(timer)) timer.Done.TrySetCanceled(); });
        return timer.Done.Task;
    }

    internal void Settle()
    {
        while (ready.Count > 0) ready.Dequeue()();
    }

    internal void Advance(double seconds)
    {
        var end = Monotonic + seconds;
        for (;;)
        {
            var next = timers.OrderBy(timer => timer.At).FirstOrDefault();
            if (next == null || next.At > end) break;
            timers.Remove(next);
            Move(next.At);
            next.Done.SetResult(true);
            Settle();
        }
        Move(end);
    }

    void Move(double to)
    {
        Wall += to - Monotonic;
        Monotonic = to;
    }
}

sealed class Deployment : IMintTransport
{
    static readonly Regex Uuid4 = new Regex("^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$");

    readonly Queue<Members> answers;
    readonly VirtualTime time;
    readonly List<string> keys = new List<string>();
    internal readonly List<Members> Sent = new List<Members>();

    internal Deployment(IEnumerable<Members> answers, VirtualTime time)
    {
        this.answers = new Queue<Members>(answers);
        this.time = time;
    }

    public async Task<MintAnswer> SendAsync(MintRequest request, CancellationToken cancel)
    {
        Sent.Add(new Members
        {
            ["method"] = "POST", ["path"] = request.Url.Replace("https://mint.test", ""),
            ["jwt"] = request.Headers["Authorization"].Replace("Bearer ", ""),
            ["key"] = Key(request), ["body"] = Table.Json.DeserializeObject(request.Body),
        });
        if (answers.Count == 0) throw new IOException("the script has no answer for this request");
        var answer = answers.Dequeue();
        if (answer.ContainsKey("never")) await time.Delay(1e9, cancel);
        if (answer.ContainsKey("after")) await time.Delay(Convert.ToDouble(answer["after"]), cancel);
        if (answer.ContainsKey("lost")) throw new IOException((string)answer["lost"]);
        if (answer.ContainsKey("mint")) return new MintAnswer(201, Table.Json.Serialize(Minted(answer)), null);
        var body = answer.ContainsKey("problem") ? Table.Json.Serialize(answer["problem"]) : Table.Get(answer, "text", "");
        var headers = Table.Get(answer, "headers", new Members());
        return new MintAnswer((int)answer["status"], body, Table.Get<string>(headers, "Retry-After", null));
    }

    /// `k1` is the first key that was sent.
    string Key(MintRequest request)
    {
        if (!request.Headers.TryGetValue("Idempotency-Key", out var key)) return null;
        if (!Uuid4.IsMatch(key)) throw new InvalidOperationException(key + " is no UUID of version 4");
        if (!keys.Contains(key)) keys.Add(key);
        return "k" + (keys.IndexOf(key) + 1);
    }

    static Members Minted(Members answer)
    {
        var id = (string)answer["mint"];
        var mint = new Members
        {
            ["id"] = id, ["vendor"] = "v", ["expires_at"] = "2026-11-21T23:00:00Z",
            ["expires_in"] = answer.TryGetValue("expires_in", out var life) ? life : 3600,
            ["single_use"] = Table.Get(answer, "single_use", false), ["takes_slot"] = Table.Get(answer, "takes_slot", false),
        };
        return new Members { ["apiAuthToken"] = "secret-" + id, ["session_id"] = "secret-" + id, ["mint"] = mint };
    }
}

sealed class Scenario
{
    readonly Members behaviour;
    readonly VirtualTime time;
    readonly Deployment deployment;
    readonly MintClient client;
    readonly Members results = new Members();
    readonly Dictionary<string, Credential> credentials = new Dictionary<string, Credential>();
    readonly Dictionary<string, CancellationTokenSource> cancels = new Dictionary<string, CancellationTokenSource>();
    readonly double refreshTakes;
    object[] jwts;
    int asked, refreshes;

    internal Scenario(Members behaviour)
    {
        this.behaviour = behaviour;
        time = new VirtualTime(Number("wall", 4102444800));
        SynchronizationContext.SetSynchronizationContext(time);
        deployment = new Deployment(Table.Objects(behaviour["answers"]), time);
        jwts = Table.Get(behaviour, "jwts", new object[] { "secret-jwt-1", "secret-jwt-2" });
        refreshTakes = Number("refreshTakes", 0);
        var random = Number("random", 1);
        var routes = Table.Routes(Table.Get(behaviour, "routes", new Members()));
        client = new MintClient("https://mint.test/", Jwt, deployment, time, routes, () => random);
    }

    internal void Follow()
    {
        var place = 0;
        foreach (var step in Table.Objects(behaviour["steps"]))
        {
            Take(step.First().Key, step, "step " + place++);
            time.Settle();
        }
    }

    double Number(string name, double otherwise) => behaviour.TryGetValue(name, out var value) ? Convert.ToDouble(value) : otherwise;

    void Take(string kind, Members step, string at)
    {
        switch (kind)
        {
            case "get": Get(step); break;
            case "advance": time.Advance(Convert.ToDouble(step[kind])); break;
            case "shiftWall": time.Wall += Convert.ToDouble(step[kind]); break;
            case "cancel": cancels[(string)step[kind]].Cancel(); break;
            case "prefetch": client.Prefetch((string)step[kind]); break;
            case "invalidate": client.Invalidate(credentials[(string)step[kind]]); break;
            case "release":
                Watch(step, async () => { await client.ReleaseAsync((string)step[kind], credentials[(string)step["credential"]]); return "done"; });
                break;
            case "clear": client.Clear(); break;
            case "close": client.Dispose(); break;
            case "signIn": jwts = new[] { step[kind] }; break;
            case "expect": Expect((Members)step[kind], at); break;
            default: throw new InvalidOperationException("no step is called " + kind);
        }
    }

    void Get(Members step)
    {
        var name = (string)step["as"];
        var cancel = (cancels[name] = new CancellationTokenSource()).Token;
        Watch(step, async () =>
        {
            var body = Table.Get<Members>(step, "body", null);
            credentials[name] = await client.GetAsync((string)step["get"], body, cancel, Table.Get(step, "force", false));
            return credentials[name].Id;
        });
    }

    async void Watch(Members step, Func<Task<string>> act)
    {
        var name = (string)step["as"];
        results[name] = null;
        try { results[name] = await act(); }
        catch (MintException error) { results[name] = Shown(error); }
        catch (OperationCanceledException) { results[name] = "cancelled"; }
    }

    /// A failure's facts, after a look for secrets in every text that it could leave in a log.
    static Members Shown(MintException error)
    {
        if (error.ToString().Contains("secret")) throw new InvalidOperationException("the error shows a secret");
        return new Members
        {
            ["status"] = error.Status, ["code"] = error.Code, ["retryable"] = error.Retryable,
            ["retryAfter"] = error.RetryAfter, ["fault"] = error.Fault,
        };
    }

    async Task<string> Jwt(bool force)
    {
        asked++;
        if (force)
        {
            refreshes++;
            if (refreshTakes > 0) await time.Delay(refreshTakes, CancellationToken.None);
            if (jwts.Length > 1) jwts = jwts.Skip(1).ToArray();
        }
        return (string)jwts[0] ?? throw new IOException("nobody has signed in");
    }

    void Expect(Members wanted, string at)
    {
        foreach (var fact in wanted)
            switch (fact.Key)
            {
                case "results": Same(fact.Value, results, at); break;
                case "sent": Same(fact.Value, deployment.Sent.Count, at + ": requests sent"); break;
                case "last": Same(fact.Value, deployment.Sent.Last(), at + ": the last request"); break;
                case "jwts": Same(fact.Value, asked, at + ": jwts"); break;
                default: Same(fact.Value, refreshes, at + ": refreshes"); break;
            }
    }

    /// Compares those members that `wanted` names.
    static void Same(object wanted, object got, string at)
    {
        if (wanted is Members parts && got is Members whole)
            foreach (var part in parts) Same(part.Value, whole.TryGetValue(part.Key, out var value) ? value : "absent", at + ": " + part.Key);
        else if (Table.Json.Serialize(wanted) != Table.Json.Serialize(got))
            throw new InvalidOperationException($"{at}: expected {Table.Json.Serialize(wanted)}, got {Table.Json.Serialize(got)}");
    }
}

static class Table
{
    internal static readonly JavaScriptSerializer Json = new JavaScriptSerializer();

    internal static IEnumerable<Members> Objects(object list) => ((object[])list).Cast<Members>();

    internal static T Get<T>(Members from, string name, T otherwise) => from.TryGetValue(name, out var value) ? (T)value : otherwise;

    internal static Dictionary<string, Route> Routes(Members table) => table.ToDictionary(row => row.Key, row =>
    {
        var route = (Members)row.Value;
        var release = Get(route, "release", new Members { ["path"] = null, ["field"] = null });
        var slot = (Slot)Enum.Parse(typeof(Slot), Get(route, "slot", "none"), ignoreCase: true);
        return new Route((bool)route["reuse"], slot, (string)release["path"], (string)release["field"]);
    });

    static string Failure(Members behaviour)
    {
        try { new Scenario(behaviour).Follow(); }
        catch (Exception error) { return $"{behaviour["row"]}: {behaviour["fact"]}: {error}"; }
        return null;
    }

    static int Main(string[] arguments)
    {
        var table = (Members)Json.DeserializeObject(File.ReadAllText(arguments[0]));
        if (Json.Serialize(Sorted(Routes((Members)table["routes"]))) != Json.Serialize(Sorted(Route.Known)))
            throw new InvalidOperationException("the client does not know the routes of the table");
        var behaviours = Objects(table["behaviours"]).ToList();
        var failures = behaviours.Select(Failure).Where(failure => failure != null).ToList();
        failures.ForEach(Console.WriteLine);
        Console.WriteLine($"{behaviours.Count - failures.Count} of {behaviours.Count} behaviours");
        return failures.Count == 0 ? 0 : 1;
    }

    static SortedDictionary<string, Route> Sorted(IReadOnlyDictionary<string, Route> routes) =>
        new SortedDictionary<string, Route>(routes.ToDictionary(row => row.Key, row => row.Value), StringComparer.Ordinal);
}
