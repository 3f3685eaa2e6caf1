/* Plays the game of docs/clients/unity.md against a bundle. Arguments: its URL and the player's JWT. Prints what the SDK gets. */
using System;
using System.Threading;
using System.Threading.Tasks;
using AvatarMint;

static class Game
{
    static async Task Play(string url, string jwt)
    {
        using (var mints = new MintClient(url, force => Task.FromResult(jwt), new UnityTransport(), new UnityTime()))
        {
            var provider = new AvatarMintTokens { Mints = mints };
            var given = await provider.GetTokenAsync(CancellationToken.None);
            Console.WriteLine(given.Token != null && given.ExpiresAt > DateTimeOffset.UtcNow ? "a token" : given.Reason);
        }
        using (var mints = new MintClient(url, force => Task.FromResult(jwt))) // over .NET's own HTTP client
        {
            var session = await mints.GetAsync("odyssey/client-credentials");
            await mints.ReleaseAsync("odyssey/client-credentials", session);
            Console.WriteLine("a slot, released");
        }
    }

    static int Main(string[] arguments)
    {
        try { Play(arguments[0], arguments[1]).GetAwaiter().GetResult(); }
        catch (MintException error) { Console.WriteLine(error.Code); }
        return 0;
    }
}
