/*
 * Mints short-lived vendor credentials from an avatar-mint deployment, for Unity and .NET. C# 7.2, no packages.
 *
 * Copy this file into your project. It behaves as clients/behaviours.json says. `make clients` runs that table with Mono.
 * Nobody has run it in Unity. In Unity, give it the transport and the time of docs/clients/unity.md, because in a WebGL
 * build HttpClient and Task.Delay do not work.
 */
using System;
using System.Collections;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace AvatarMint
{
    /// <summary>All members may be called from any thread. Continuations run where the caller's context wants them.</summary>
    public sealed class MintClient : IDisposable
    {
        private readonly object gate = new object();
        private readonly SignIn signIn;
        private readonly Calls calls;
        private readonly Dictionary<string, Route> routes = new Dictionary<string, Route>();
        private readonly Dictionary<string, ISource> sources = new Dictionary<string, ISource>();
        private bool closed;

        /// <param name="baseUrl">The stack's output ApiUrl.</param>
        /// <param name="getJwt">The signed-in user's current JWT. With true: a new one. It must not call this client.</param>
        /// <param name="routes">The vendors that you have added.</param>
        /// <param name="random">0 to 1, for the pauses between tries.</param>
        public MintClient(
            string baseUrl, Func<bool, Task<string>> getJwt, IMintTransport transport = null, IMintTime time = null,
            IDictionary<string, Route> routes = null, Func<double> random = null)
        {
            signIn = new SignIn(getJwt, gate);
            calls = new Calls(
                baseUrl.TrimEnd('/'), transport ?? new HttpTransport(), time ?? new DeviceTime(), random ?? Chance, signIn);
            foreach (var known in Route.Known.Concat(routes ?? new Dictionary<string, Route>())) this.routes[known.Key] = known.Value;
        }

        /// <summary>A credential that is good for a connection now. Cancelling ends this wait; the mint goes on.</summary>
        /// <param name="body">Strings, numbers, booleans, null, and dictionaries and lists of these.</param>
        /// <exception cref="MintException">There is no credential.</exception>
        public async Task<Credential> GetAsync(
            string route, IDictionary<string, object> body = null, CancellationToken cancel = default(CancellationToken),
            bool forceRefresh = false)
        {
            cancel.ThrowIfCancellationRequested();
            return await Source(route, body).Get(cancel, forceRefresh);
        }

        /// <summary>Mints in advance, if that takes no slot. It reports no failure, because GetAsync tries again.</summary>
        public void Prefetch(string route, IDictionary<string, object> body = null)
        {
            if (!closed) Source(route, body).Prefetch();
        }

        /// <summary>Forgets a credential that the vendor rejected.</summary>
        public void Invalidate(Credential credential)
        {
            lock (gate) foreach (var source in sources.Values) source.Drop(credential.Id);
        }

        /// <summary>Says that a connection is over: frees its slot or revokes its token, where the vendor allows it.</summary>
        /// <exception cref="MintException">The deployment did not hear it.</exception>
        public async Task ReleaseAsync(string route, Credential credential)
        {
            Invalidate(credential);
            var known = Known(route);
            if (known.ReleasePath != null) await calls.Release(known, credential, signIn.Last);
        }

        /// <summary>Forgets everything: for the moment when another user signs in. Calls that wait get `cleared`.</summary>
        public void Clear() => End("cleared");

        /// <summary>As Clear, and refuses all later calls with `closed`.</summary>
        public void Dispose()
        {
            closed = true;
            End("closed");
        }

        private void End(string how)
        {
            List<ISource> ending;
            lock (gate)
            {
                signIn.Forget();
                ending = sources.Values.ToList();
                sources.Clear();
            }
            foreach (var source in ending) source.End(Ended(how));
        }

        private ISource Source(string route, IDictionary<string, object> body)
        {
            var text = Json.Write(body ?? new Dictionary<string, object>());
            lock (gate)
            {
                if (closed) throw Ended("closed");
                var name = route + " " + text;
                if (!sources.TryGetValue(name, out var source)) sources[name] = source = NewSource(route, text);
                return source;
            }
        }

        private ISource NewSource(string route, string body)
        {
            var known = Known(route);
            var call = new Call { Path = route, Body = body, Unsafe = known.Slot == Slot.Unkeyed };
            var keys = new Keys(calls.Time);
            Mint mint = unwanted => known.Slot == Slot.Keyed ? calls.MintOnce(call, keys, unwanted) : calls.Mint(call, unwanted);
            if (known.Reuse) return new Reusable(gate, calls.Time, mint);
            return new PerConnection(gate, mint, known.Slot == Slot.None ? (Action<Minted>)null : minted => Free(known, minted));
        }

        private Route Known(string route) => routes.TryGetValue(route, out var known) ? known : new Route(reuse: false);

        private async void Free(Route known, Minted minted)
        {
            try
            {
                if (known.ReleasePath != null) await calls.Release(known, minted.Credential, minted.Jwt, replaceable: false);
            }
            catch (MintException)
            {
                // The slot then ends by itself.
            }
        }

        private static MintException Ended(string how) => new MintException(0, how, "the client was " + how, retryable: false);

        private static double Chance()
        {
            lock (Dice) return Dice.NextDouble();
        }

        private static readonly Random Dice = new Random();
    }

    /// <summary>The vendor's own fields, and what the deployment says. Its text shows the mint's id alone.</summary>
    public sealed class Credential
    {
        private readonly Dictionary<string, object> mint;

        internal Credential(Dictionary<string, object> fields)
        {
            Fields = fields;
            mint = (Dictionary<string, object>)fields["mint"];
            Id = (string)mint["id"];
        }

        /// <summary>As in the answer: string, double, bool, null, List of object, or Dictionary of string and object.</summary>
        public IReadOnlyDictionary<string, object> Fields { get; }

        public string Id { get; }

        /// <summary>Seconds from the start of the request, or null if the vendor does not say.</summary>
        public double? ExpiresIn => mint.TryGetValue("expires_in", out var seconds) ? seconds as double? : null;

        internal bool Once => IsTrue("single_use") || IsTrue("takes_slot");

        public string this[string field] => (string)Fields[field];

        public override string ToString() => "Credential(" + Id + ")";

        private bool IsTrue(string trait) => mint.TryGetValue(trait, out var value) && Equals(value, true);
    }

    /// <summary>Why there is no credential. It holds no JWT, no credential and no text of the connection, so it may be logged.</summary>
    public sealed class MintException : Exception
    {
        internal MintException(int status, string code, string detail, bool retryable, Exception cause = null)
            : base(detail == null ? code : code + ": " + detail, cause)
        {
            Status = status;
            Code = code;
            Retryable = retryable;
        }

        /// <summary>Of HTTP, or 0 if no answer came.</summary>
        public int Status { get; }

        /// <summary>
        /// A code of docs/errors.md. If API Gateway refused: `http_401` and so on. From the client itself: `network_error`,
        /// `timeout`, `malformed_answer`, `sign_in_failed`, `cleared` or `closed`.
        /// </summary>
        public string Code { get; }

        /// <summary>Whether the same call may succeed later.</summary>
        public bool Retryable { get; }

        /// <summary>Seconds to wait first, if known.</summary>
        public double? RetryAfter { get; internal set; }

        /// <summary>Who must act, if known: `caller`, `operator` or `vendor`.</summary>
        public string Fault { get; internal set; }

        /// <summary>The wrong fields, and what is wrong with each.</summary>
        public IReadOnlyList<KeyValuePair<string, string>> Errors { get; internal set; } = new KeyValuePair<string, string>[0];
    }

    /// <summary>A mint takes a paid slot, and accepts an Idempotency-Key or does not.</summary>
    public enum Slot { None, Keyed, Unkeyed }

    public sealed class Route
    {
        /// <param name="reuse">Whether one credential may serve several connections until shortly before it expires.</param>
        /// <param name="releasePath">Where a client says that it is done, with the credential's `releaseField`.</param>
        public Route(bool reuse, Slot slot = Slot.None, string releasePath = null, string releaseField = null)
        {
            Reuse = reuse;
            Slot = slot;
            ReleasePath = releasePath;
            ReleaseField = releaseField;
        }

        public bool Reuse { get; }
        public Slot Slot { get; }
        public string ReleasePath { get; }
        public string ReleaseField { get; }

        /// <summary>Convai and Spatius want a credential for each connection, although theirs are not declared as single use.</summary>
        public static readonly IReadOnlyDictionary<string, Route> Known = new Dictionary<string, Route>
        {
            ["agora/tokens"] = new Route(reuse: true),
            ["convai/tokens"] = new Route(false, Slot.None, "convai/tokens/revoke", "apiAuthToken"),
            ["livekit/tokens"] = new Route(reuse: true),
            ["odyssey/client-credentials"] =
                new Route(false, Slot.Keyed, "odyssey/client-credentials/release", "session_id"),
            ["spatialgen/keys"] = new Route(reuse: true),
            ["spatius/session-tokens"] = new Route(reuse: false),
            ["trulience/tokens"] = new Route(reuse: false),
        };
    }

    /// <summary>A POST. Its headers include Content-Type.</summary>
    public sealed class MintRequest
    {
        internal MintRequest(string url, Dictionary<string, string> headers, string body)
        {
            Url = url;
            Headers = headers;
            Body = body;
        }

        public string Url { get; }
        public IReadOnlyDictionary<string, string> Headers { get; }
        public string Body { get; }
    }

    public sealed class MintAnswer
    {
        /// <param name="retryAfter">The header, or null.</param>
        public MintAnswer(int status, string text, string retryAfter)
        {
            Status = status;
            Text = text;
            RetryAfter = retryAfter;
        }

        public int Status { get; }
        public string Text { get; }
        public string RetryAfter { get; }
    }

    /// <summary>Sends a request. Throws any exception if no answer came.</summary>
    public interface IMintTransport
    {
        Task<MintAnswer> SendAsync(MintRequest request, CancellationToken cancel);
    }

    /// <summary>Seconds. The wall clock may be wrong, and the monotonic one may stop during sleep.</summary>
    public interface IMintTime
    {
        double Wall { get; }
        double Monotonic { get; }
        Task Delay(double seconds, CancellationToken cancel);
    }

    /// <summary>For .NET. It does not work in a WebGL build.</summary>
    public sealed class HttpTransport : IMintTransport
    {
        private static readonly HttpClient Http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };

        public async Task<MintAnswer> SendAsync(MintRequest request, CancellationToken cancel)
        {
            using (var message = new HttpRequestMessage(HttpMethod.Post, request.Url))
            {
                message.Content = new StringContent(request.Body, Encoding.UTF8, "application/json");
                foreach (var header in request.Headers.Where(header => header.Key != "Content-Type"))
                    message.Headers.TryAddWithoutValidation(header.Key, header.Value);
                using (var answer = await Http.SendAsync(message, cancel))
                    return new MintAnswer((int)answer.StatusCode, await answer.Content.ReadAsStringAsync(), RetryAfter(answer));
            }
        }

        private static string RetryAfter(HttpResponseMessage answer) =>
            answer.Headers.TryGetValues("Retry-After", out var values) ? values.First() : null;
    }

    /// <summary>For .NET. Its delay does not work in a WebGL build.</summary>
    public sealed class DeviceTime : IMintTime
    {
        private static readonly Stopwatch Watch = Stopwatch.StartNew();

        public double Wall => (DateTime.UtcNow - new DateTime(1970, 1, 1, 0, 0, 0, DateTimeKind.Utc)).TotalSeconds;
        public double Monotonic => Watch.Elapsed.TotalSeconds;
        public Task Delay(double seconds, CancellationToken cancel) => Task.Delay(TimeSpan.FromSeconds(seconds), cancel);
    }

    internal delegate Task<Minted> Mint(Func<bool> unwanted);

    internal sealed class Moment
    {
        private readonly IMintTime time;
        private readonly double wall;
        private readonly double monotonic;

        internal Moment(IMintTime time)
        {
            this.time = time;
            wall = time.Wall;
            monotonic = time.Monotonic;
        }

        /// <summary>Seconds. The larger difference counts, so that neither sleep nor a clock that was put back prolongs a credential.</summary>
        internal double Elapsed => Math.Max(time.Wall - wall, time.Monotonic - monotonic);
    }

    /// <summary>The caller's JWT, and the one refresh that all requests share after it was refused.</summary>
    internal sealed class SignIn
    {
        private readonly Func<bool, Task<string>> getJwt;
        private readonly object gate;
        private string refused;
        private Task<string> replacement;

        internal SignIn(Func<bool, Task<string>> getJwt, object gate)
        {
            this.getJwt = getJwt;
            this.gate = gate;
        }

        internal string Last { get; private set; }

        internal async Task<string> Jwt()
        {
            var jwt = await Ask(false);
            Task<string> running;
            lock (gate) running = jwt == refused ? replacement : null;
            return running == null ? jwt : await running;
        }

        /// <summary>The JWT that replaces this one; the same one if the app has no other.</summary>
        internal async Task<string> Replaced(string jwt)
        {
            Task<string> running;
            lock (gate)
            {
                if (refused != jwt || replacement == null) replacement = Ask(true);
                refused = jwt;
                running = replacement;
            }
            var same = true;
            try
            {
                var next = await running;
                same = next == jwt;
                return next;
            }
            finally
            {
                lock (gate) if (same && replacement == running) replacement = null;
            }
        }

        internal void Forget() => refused = Last = null;

        private async Task<string> Ask(bool force)
        {
            try
            {
                return Last = await getJwt(force);
            }
            catch (Exception cause)
            {
                throw new MintException(0, "sign_in_failed", "getJwt failed", retryable: true, cause: cause);
            }
        }
    }

    /// <summary>Unsafe: a lost answer may have taken a slot. Jwt: goes with the call at once. Replaceable: a new one may follow a 401.</summary>
    internal sealed class Call
    {
        internal string Path, Body, Key, Jwt;
        internal bool Unsafe, Replaceable = true;
    }

    internal sealed class Answer
    {
        internal int Status;
        internal Dictionary<string, object> Body;
        internal Moment Since;
        internal string Jwt;
    }

    internal sealed class Calls
    {
        private const int Attempts = 3;
        private const double SecondsPerAttempt = 30, SecondsPerCall = 60, SecondsPerRelease = 5, LongestWait = 10;

        private readonly string baseUrl;
        private readonly IMintTransport transport;
        private readonly Func<double> random;
        private readonly SignIn signIn;
        internal readonly IMintTime Time;

        internal Calls(string baseUrl, IMintTransport transport, IMintTime time, Func<double> random, SignIn signIn)
        {
            this.baseUrl = baseUrl;
            this.transport = transport;
            Time = time;
            this.random = random;
            this.signIn = signIn;
        }

        internal async Task<Minted> Mint(Call call, Func<bool> unwanted)
        {
            var answer = await Patiently(call, unwanted);
            var traits = Told<Dictionary<string, object>>(answer.Body, "mint");
            if (traits != null && traits.ContainsKey("id")) return new Minted(new Credential(answer.Body), answer.Jwt, answer.Since);
            throw new MintException(answer.Status, "malformed_answer", "the answer has no mint", retryable: false);
        }

        /// <summary>A mint that takes a slot: all tries for one session carry one key.</summary>
        internal async Task<Minted> MintOnce(Call call, Keys keys, Func<bool> unwanted)
        {
            var key = keys.Take();
            try
            {
                return await Mint(new Call { Path = call.Path, Body = call.Body, Key = key.Value }, unwanted);
            }
            catch (MintException error) when (error.Retryable)
            {
                keys.GiveBack(key);
                throw;
            }
        }

        /// <summary>One request, not repeated. A credential that is unknown or cannot be revoked is no error.</summary>
        internal async Task Release(Route route, Credential credential, string jwt, bool replaceable = true)
        {
            var body = Json.Write(new Dictionary<string, object> { [route.ReleaseField] = credential[route.ReleaseField] });
            try
            {
                await Once(new Call { Path = route.ReleasePath, Body = body, Jwt = jwt, Replaceable = replaceable }, SecondsPerRelease);
            }
            catch (MintException error) when (error.Status == 404 || error.Code == "not_revocable")
            {
                // It is no longer in use, which is what the caller wants.
            }
        }

        /// <summary>Tries up to three times. unwanted: whether nobody needs the answer any more.</summary>
        private async Task<Answer> Patiently(Call call, Func<bool> unwanted)
        {
            var start = new Moment(Time);
            for (var tried = 1; ; tried++)
            {
                double wait;
                try
                {
                    return await Once(call, Math.Min(SecondsPerAttempt, SecondsPerCall - start.Elapsed));
                }
                catch (MintException error)
                {
                    wait = WaitAfter(error, tried) ?? double.PositiveInfinity;
                    if (wait >= SecondsPerCall - start.Elapsed) throw;
                    await Time.Delay(wait, CancellationToken.None);
                    if (unwanted()) throw;
                }
            }
        }

        /// <summary>Seconds until the next try, or null if the error is final.</summary>
        private double? WaitAfter(MintException error, int tried)
        {
            if (!error.Retryable || error.Code == "sign_in_failed" || tried >= Attempts) return null;
            if (error.RetryAfter != null) return error.RetryAfter <= LongestWait ? error.RetryAfter : null;
            return Math.Min(8, 0.5 * Math.Pow(2, tried - 1)) * (0.75 + 0.25 * random());
        }

        /// <summary>One try within so many seconds, the sign-in included.</summary>
        private async Task<Answer> Once(Call call, double seconds)
        {
            using (var cancel = new CancellationTokenSource())
            {
                var work = SignedIn(call, cancel.Token);
                var first = await Task.WhenAny(work, Time.Delay(seconds, cancel.Token));
                cancel.Cancel();
                if (first == work) return await work;
                Forget(work);
                throw NoAnswer(call, "timeout", "no answer within " + Math.Ceiling(seconds) + " s");
            }
        }

        /// <summary>Looks at the failure of a task that nobody waits for, so that .NET does not report it.</summary>
        private static void Forget(Task task) => task.ContinueWith(late => late.Exception, TaskContinuationOptions.ExecuteSynchronously);

        /// <summary>Sends the request, and once more with a new JWT if the first one is refused.</summary>
        private async Task<Answer> SignedIn(Call call, CancellationToken cancel)
        {
            var jwt = call.Jwt ?? await signIn.Jwt();
            try
            {
                return await Exchange(call, jwt, cancel);
            }
            catch (MintException error) when (error.Status == 401 && call.Replaceable)
            {
                var replacement = await signIn.Replaced(jwt);
                if (replacement == jwt || cancel.IsCancellationRequested) throw;
                return await Exchange(call, replacement, cancel);
            }
        }

        private async Task<Answer> Exchange(Call call, string jwt, CancellationToken cancel)
        {
            var since = new Moment(Time);
            var answer = await Send(call, jwt, cancel);
            var body = Json.Read(answer.Text) as Dictionary<string, object> ?? new Dictionary<string, object>();
            if (answer.Status < 200 || answer.Status > 299) throw Refusal(call, answer, body);
            return new Answer { Status = answer.Status, Body = body, Since = since, Jwt = jwt };
        }

        /// <summary>The connection's own error is not passed on: its text may repeat the header, and with it the JWT.</summary>
        private async Task<MintAnswer> Send(Call call, string jwt, CancellationToken cancel)
        {
            var headers = new Dictionary<string, string> { ["Authorization"] = "Bearer " + jwt, ["Content-Type"] = "application/json" };
            if (call.Key != null) headers["Idempotency-Key"] = call.Key;
            try
            {
                return await transport.SendAsync(new MintRequest(baseUrl + "/v1/" + call.Path, headers, call.Body), cancel);
            }
            catch (Exception)
            {
                throw NoAnswer(call, "network_error", "no answer");
            }
        }

        private static MintException NoAnswer(Call call, string code, string detail) => new MintException(0, code, detail, !call.Unsafe);

        private static MintException Refusal(Call call, MintAnswer answer, Dictionary<string, object> body)
        {
            var byStatus = !call.Unsafe && (answer.Status == 408 || answer.Status == 429 || answer.Status >= 500);
            var header = double.TryParse(answer.RetryAfter, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) ? seconds : (double?)null;
            var errors = Told<List<object>>(body, "errors") ?? new List<object>();
            return new MintException(
                answer.Status, Told<string>(body, "code") ?? "http_" + answer.Status, Told<string>(body, "detail"), Told<bool?>(body, "retryable") ?? byStatus)
            {
                RetryAfter = Told<double?>(body, "retry_after") ?? header,
                Fault = Told<string>(body, "fault"),
                Errors = errors.OfType<Dictionary<string, object>>().Select(WrongField).ToList(),
            };
        }

        private static T Told<T>(Dictionary<string, object> body, string name) =>
            body.TryGetValue(name, out var value) && value is T ? (T)value : default(T);

        private static KeyValuePair<string, string> WrongField(Dictionary<string, object> error) =>
            new KeyValuePair<string, string>(Told<string>(error, "field"), Told<string>(error, "message"));
    }

    /// <summary>A credential, the JWT that asked for it, and its life: from the start of its request, by the server's `expires_in`.</summary>
    internal sealed class Minted
    {
        private const double TinyLife = 10;

        internal readonly Credential Credential;
        internal readonly string Jwt;
        private readonly Moment since;
        private readonly double seconds, hard, soft;

        internal Minted(Credential credential, string jwt, Moment since)
        {
            Credential = credential;
            Jwt = jwt;
            this.since = since;
            seconds = credential.ExpiresIn ?? 0;
            hard = Math.Min(60, seconds / 4);
            soft = hard + Math.Min(240, seconds / 4);
        }

        internal bool WorthKeeping => seconds > TinyLife;
        internal double Left => seconds - since.Elapsed;

        /// <summary>Before the hard margin: good enough to hand out without a request.</summary>
        internal bool Usable => Left > hard;

        /// <summary>Before the soft margin: too early for the next one.</summary>
        internal bool Fresh => Left > soft;

        /// <summary>Seconds until the next try to replace it, after one failed.</summary>
        internal double Patience => Math.Min(30, seconds / 10);
    }

    /// <summary>Callers that wait for one result. Each can leave at any time without ending the work. Used under the client's lock.</summary>
    internal sealed class Waiters
    {
        private sealed class Waiter
        {
            internal readonly TaskCompletionSource<Credential> Result =
                new TaskCompletionSource<Credential>(TaskCreationOptions.RunContinuationsAsynchronously);
            internal bool Forced;
            internal CancellationTokenRegistration Cancelling;
        }

        private readonly object gate;
        private readonly List<Waiter> waiting = new List<Waiter>();

        internal Waiters(object gate) => this.gate = gate;

        internal bool None => waiting.Count == 0;

        /// <summary>left: called if the caller stops waiting.</summary>
        internal Task<Credential> Join(CancellationToken cancel, bool forced, Action left = null)
        {
            var waiter = new Waiter { Forced = forced };
            waiting.Add(waiter);
            waiter.Cancelling = cancel.Register(() =>
            {
                lock (gate)
                {
                    if (!waiting.Remove(waiter)) return;
                    waiter.Result.TrySetCanceled(cancel);
                    left?.Invoke();
                }
            });
            return waiter.Result.Task;
        }

        internal void Resolve(Credential value)
        {
            foreach (var waiter in Taken()) waiter.Result.TrySetResult(value);
        }

        /// <summary>instead: what callers get that did not insist on a new result.</summary>
        internal void Reject(MintException error, Credential instead = null)
        {
            foreach (var waiter in Taken())
                if (instead == null || waiter.Forced) waiter.Result.TrySetException(error);
                else waiter.Result.TrySetResult(instead);
        }

        private List<Waiter> Taken()
        {
            var taken = waiting.ToList();
            waiting.Clear();
            return taken;
        }
    }

    /// <summary>Where the credentials of one request come from.</summary>
    internal interface ISource
    {
        Task<Credential> Get(CancellationToken cancel, bool forced);
        void Prefetch();

        /// <summary>Forgets the credential of this mint, unless a newer one has replaced it.</summary>
        void Drop(string mint);

        /// <summary>Refuses those who wait. What is on its way is discarded.</summary>
        void End(MintException error);
    }

    /// <summary>One credential that many connections share, and the one request that renews it.</summary>
    internal sealed class Reusable : ISource
    {
        private const double LastMoments = 5;

        private sealed class Flight
        {
            internal bool Forced;
        }

        private readonly object gate;
        private readonly IMintTime time;
        private readonly Mint mint;
        private readonly Waiters waiters;
        private Minted held;
        private Flight flight;
        private Moment failed;

        internal Reusable(object gate, IMintTime time, Mint mint)
        {
            this.gate = gate;
            this.time = time;
            this.mint = mint;
            waiters = new Waiters(gate);
        }

        public Task<Credential> Get(CancellationToken cancel, bool forced)
        {
            Flight start = null;
            Task<Credential> got;
            lock (gate)
            {
                if (held != null && held.Usable && !forced)
                {
                    got = Task.FromResult(held.Credential);
                    if (!held.Fresh && flight == null && !CoolingDown) start = flight = new Flight();
                }
                else
                {
                    got = waiters.Join(cancel, forced);
                    if (flight == null || (forced && !flight.Forced)) start = flight = new Flight { Forced = forced };
                }
            }
            if (start != null) Fly(start);
            return got;
        }

        public void Prefetch() => Get(CancellationToken.None, false).ContinueWith(got => got.Exception, TaskContinuationOptions.ExecuteSynchronously);

        public void Drop(string mint)
        {
            if (held?.Credential.Id == mint) held = null;
        }

        public void End(MintException error)
        {
            lock (gate)
            {
                held = null;
                flight = null;
                waiters.Reject(error);
            }
        }

        private bool CoolingDown => failed != null && failed.Elapsed < held.Patience;

        /// <summary>A second flight replaces the first: its waiters wait on, and its result is discarded.</summary>
        private async void Fly(Flight own)
        {
            try
            {
                var minted = await mint(() => flight != own);
                lock (gate) if (flight == own) Arrived(minted);
            }
            catch (MintException error)
            {
                lock (gate) if (flight == own) Refused(error);
            }
        }

        private void Arrived(Minted minted)
        {
            flight = null;
            held = minted.WorthKeeping && !minted.Credential.Once ? minted : null;
            waiters.Resolve(minted.Credential);
        }

        private void Refused(MintException error)
        {
            flight = null;
            failed = new Moment(time);
            if (error.Status == 401 || error.Status == 403) held = null;
            waiters.Reject(error, error.Retryable && held != null && held.Left > LastMoments ? held.Credential : null);
        }
    }

    /// <summary>Credentials that are handed out once. At most one is kept for a caller who has not come yet, unless it takes a slot.</summary>
    internal sealed class PerConnection : ISource
    {
        private sealed class Flight
        {
            internal Waiters Waiters;
            internal Minted Landed;
        }

        private readonly object gate;
        private readonly Mint mint;
        private readonly Action<Minted> free;
        private readonly HashSet<Flight> flights = new HashSet<Flight>();
        private Flight unclaimed;

        internal PerConnection(object gate, Mint mint, Action<Minted> free)
        {
            this.gate = gate;
            this.mint = mint;
            this.free = free;
        }

        public Task<Credential> Get(CancellationToken cancel, bool forced)
        {
            Flight start = null;
            Task<Credential> got;
            lock (gate)
            {
                var waiting = forced ? null : unclaimed;
                unclaimed = null;
                if (waiting?.Landed != null && waiting.Landed.Usable) return Task.FromResult(waiting.Landed.Credential);
                var flight = waiting != null && waiting.Landed == null ? waiting : start = NewFlight();
                got = flight.Waiters.Join(cancel, forced, () => unclaimed = unclaimed ?? flight);
            }
            if (start != null) Fly(start);
            return got;
        }

        public void Prefetch()
        {
            Flight start = null;
            lock (gate)
                if (free == null && (unclaimed == null || (unclaimed.Landed != null && !unclaimed.Landed.Usable)))
                    start = unclaimed = NewFlight();
            if (start != null) Fly(start);
        }

        public void Drop(string mint)
        {
            if (unclaimed?.Landed?.Credential.Id == mint) unclaimed = null;
        }

        public void End(MintException error)
        {
            lock (gate)
            {
                unclaimed = null;
                foreach (var flight in flights) flight.Waiters.Reject(error);
                flights.Clear();
            }
        }

        private Flight NewFlight()
        {
            var flight = new Flight { Waiters = new Waiters(gate) };
            flights.Add(flight);
            return flight;
        }

        private bool Unwanted(Flight flight)
        {
            lock (gate) return !flights.Contains(flight);
        }

        private async void Fly(Flight flight)
        {
            try
            {
                var minted = await mint(() => Unwanted(flight));
                var taken = false;
                lock (gate) taken = Landed(flight, minted);
                if (!taken) free?.Invoke(minted);
            }
            catch (MintException error)
            {
                lock (gate)
                {
                    flights.Remove(flight);
                    Forget(flight);
                    flight.Waiters.Reject(error);
                }
            }
        }

        /// <summary>Whether a caller took it.</summary>
        private bool Landed(Flight flight, Minted minted)
        {
            flights.Remove(flight);
            var taken = !flight.Waiters.None;
            if (taken) flight.Waiters.Resolve(minted.Credential);
            else if (minted.WorthKeeping && free == null) flight.Landed = minted;
            else Forget(flight);
            return taken;
        }

        private void Forget(Flight flight)
        {
            if (unclaimed == flight) unclaimed = null;
        }
    }

    internal sealed class Key
    {
        internal readonly string Value = Guid.NewGuid().ToString();
        internal readonly Moment Since;

        internal Key(IMintTime time) => Since = new Moment(time);
    }

    /// <summary>The Idempotency-Keys of calls that may have taken a slot without an answer. The next call uses them again.</summary>
    internal sealed class Keys
    {
        private const double Lifetime = 600;

        private readonly IMintTime time;
        private readonly List<Key> pending = new List<Key>();

        internal Keys(IMintTime time) => this.time = time;

        internal Key Take()
        {
            lock (pending)
            {
                pending.RemoveAll(key => key.Since.Elapsed >= Lifetime);
                var first = pending.FirstOrDefault() ?? new Key(time);
                pending.Remove(first);
                return first;
            }
        }

        internal void GiveBack(Key key)
        {
            lock (pending) pending.Add(key);
        }
    }

    /// <summary>JSON without a package: Unity's JsonUtility knows no null and no dictionary.</summary>
    internal static class Json
    {
        /// <summary>The same text for equal values, whatever the order of their members.</summary>
        internal static string Write(object value)
        {
            if (value == null) return "null";
            if (value is bool) return (bool)value ? "true" : "false";
            if (value is string text) return Quoted(text);
            if (value is IDictionary<string, object> members) return "{" + string.Join(",", members.OrderBy(Name, Order).Select(Member)) + "}";
            if (value is IEnumerable items) return "[" + string.Join(",", items.Cast<object>().Select(Write)) + "]";
            return Convert.ToString(value, CultureInfo.InvariantCulture);
        }

        private static readonly StringComparer Order = StringComparer.Ordinal;

        private static string Name(KeyValuePair<string, object> member) => member.Key;

        private static string Member(KeyValuePair<string, object> member) => Quoted(member.Key) + ":" + Write(member.Value);

        /// <summary>Null for anything that is no JSON.</summary>
        internal static object Read(string text)
        {
            try
            {
                var reader = new Reader(text ?? "");
                return reader.Document();
            }
            catch (FormatException)
            {
                return null;
            }
        }

        private static string Quoted(string text)
        {
            var quoted = new StringBuilder("\"");
            foreach (var character in text)
                if (character == '"' || character == '\\') quoted.Append('\\').Append(character);
                else if (character < ' ') quoted.Append("\\u").Append(((int)character).ToString("x4"));
                else quoted.Append(character);
            return quoted.Append('"').ToString();
        }

        private sealed class Reader
        {
            private const int Deepest = 64;
            private const string Escapes = "\"\\/bfnrt", Meanings = "\"\\/\b\f\n\r\t";

            private readonly string text;
            private int place;
            private int depth;

            internal Reader(string text) => this.text = text;

            internal object Document()
            {
                var value = Value();
                Skip();
                if (place < text.Length) throw new FormatException();
                return value;
            }

            private char Next => place < text.Length ? text[place] : throw new FormatException();

            private object Value()
            {
                Skip();
                switch (Next)
                {
                    case '{': return Members(new Dictionary<string, object>(), '}', ReadMember);
                    case '[': return Members(new List<object>(), ']', list => list.Add(Value()));
                    case '"': return Text();
                    case 't': return Word("true", true);
                    case 'f': return Word("false", false);
                    case 'n': return Word("null", null);
                    default: return Number();
                }
            }

            private T Members<T>(T into, char end, Action<T> read)
            {
                if (++depth > Deepest) throw new FormatException();
                place++;
                Skip();
                while (Next != end)
                {
                    read(into);
                    Skip();
                    if (Next != end) Expect(',');
                    Skip();
                }
                place++;
                depth--;
                return into;
            }

            private void ReadMember(Dictionary<string, object> members)
            {
                var name = Text();
                Skip();
                Expect(':');
                members[name] = Value();
            }

            private string Text()
            {
                Expect('"');
                var read = new StringBuilder();
                for (; Next != '"'; place++) read.Append(Next == '\\' ? Escaped() : Next);
                place++;
                return read.ToString();
            }

            private char Escaped()
            {
                place++;
                var known = Escapes.IndexOf(Next);
                if (known >= 0) return Meanings[known];
                if (Next != 'u' || place + 4 >= text.Length) throw new FormatException();
                place += 4;
                return (char)int.Parse(text.Substring(place - 3, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
            }

            private object Number()
            {
                var start = place;
                while (place < text.Length && "+-.eE0123456789".IndexOf(text[place]) >= 0) place++;
                return double.Parse(text.Substring(start, place - start), NumberStyles.Float, CultureInfo.InvariantCulture);
            }

            private object Word(string word, object value)
            {
                foreach (var letter in word) Expect(letter);
                return value;
            }

            private void Expect(char wanted)
            {
                if (Next != wanted) throw new FormatException();
                place++;
            }

            private void Skip()
            {
                while (place < text.Length && char.IsWhiteSpace(text[place])) place++;
            }
        }
    }
}
