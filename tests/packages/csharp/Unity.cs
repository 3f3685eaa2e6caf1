/* Stands in for those classes of Unity and of Convai's SDK that docs/clients/unity.md uses. Requests are real. */
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Net.Http;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace UnityEngine
{
    public class MonoBehaviour { }

    public static class Time
    {
        static readonly Stopwatch Watch = Stopwatch.StartNew();

        public static double realtimeSinceStartupAsDouble => Watch.Elapsed.TotalSeconds;
    }
}

namespace UnityEngine.Networking
{
    public sealed class UploadHandlerRaw
    {
        internal readonly byte[] Data;

        public UploadHandlerRaw(byte[] data) => Data = data;
    }

    public sealed class DownloadHandlerBuffer
    {
        public string text { get; internal set; }
    }

    public sealed class UnityWebRequestAsyncOperation
    {
        internal Task Work;

        public bool isDone => Work.IsCompleted;
    }

    public sealed class UnityWebRequest : IDisposable
    {
        static readonly HttpClient Http = new HttpClient();

        readonly HttpRequestMessage message;
        readonly Dictionary<string, string> headers = new Dictionary<string, string>();
        readonly CancellationTokenSource abort = new CancellationTokenSource();
        HttpResponseMessage answer;

        public UnityWebRequest(string url, string method) => message = new HttpRequestMessage(new HttpMethod(method), url);

        public UploadHandlerRaw uploadHandler { get; set; }
        public DownloadHandlerBuffer downloadHandler { get; set; }
        public long responseCode => answer == null ? 0 : (long)answer.StatusCode;

        public void SetRequestHeader(string name, string value) => headers[name] = value;

        public string GetResponseHeader(string name) =>
            answer.Headers.TryGetValues(name, out var values) ? values.First() : null;

        public UnityWebRequestAsyncOperation SendWebRequest() => new UnityWebRequestAsyncOperation { Work = Send() };

        public void Abort() => abort.Cancel();

        public void Dispose() => message.Dispose();

        async Task Send()
        {
            message.Content = new StringContent(Encoding.UTF8.GetString(uploadHandler.Data), Encoding.UTF8, headers["Content-Type"]);
            foreach (var header in headers.Where(header => header.Key != "Content-Type")) message.Headers.Add(header.Key, header.Value);
            try
            {
                answer = await Http.SendAsync(message, abort.Token);
                downloadHandler.text = await answer.Content.ReadAsStringAsync();
            }
            catch (HttpRequestException)
            {
                answer = null;
            }
        }
    }
}

// The older integration. Its page names no namespace.
public sealed class ConvaiBootstrapConfigSnapshot
{
    public ConvaiBootstrapConfigSnapshot(string apiKey, string serverUrl) { }
}

public sealed class ConvaiRuntimeBuilder
{
    public void UseConfig(ConvaiBootstrapConfigSnapshot config) { }
}

public class ConvaiManager : UnityEngine.MonoBehaviour
{
    protected virtual ConvaiRuntimeBuilder CreateRuntimeBuilder() => new ConvaiRuntimeBuilder();
}

namespace Convai.Runtime.Core.Configuration
{
    public interface IConvaiAuthTokenProvider
    {
        Task<AuthTokenResult> GetTokenAsync(CancellationToken cancellationToken);
    }

    public sealed class AuthTokenResult
    {
        public string Token, Reason;
        public DateTimeOffset? ExpiresAt;

        public static AuthTokenResult Succeeded(string token, DateTimeOffset? expiresAt) =>
            new AuthTokenResult { Token = token, ExpiresAt = expiresAt };

        public static AuthTokenResult Failed(string reason) => new AuthTokenResult { Reason = reason };
    }

    public static class ConvaiAuthTokenProviderRegistry
    {
        public static void Register(IConvaiAuthTokenProvider provider) { }

        public static void Unregister(IConvaiAuthTokenProvider provider) { }
    }
}
