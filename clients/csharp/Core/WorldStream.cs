// One agent's stream of a shared world (shared_schemas/world/stream.proto, as JSON). Needs no game engine: a sample for Unity
// is in ../Unity. Receive runs in a task; Poll is for the engine's own thread, once a frame.
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Net.WebSockets;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace TomatoWorld
{
    public sealed class WorldStream : IDisposable
    {
        public const string Protocol = "tomato.world.v1+json";
        readonly ClientWebSocket socket = new ClientWebSocket();
        readonly ConcurrentQueue<Dictionary<string, object>> waiting = new ConcurrentQueue<Dictionary<string, object>>();
        readonly CancellationTokenSource end = new CancellationTokenSource();
        readonly SemaphoreSlim sending = new SemaphoreSlim(1);

        // Ends when the stream has ended.
        public Task Receiving { get; private set; }

        // Why the stream has ended; null while it is open.
        public volatile string Ended;

        // `host` like ws://127.0.0.1:8421. The token goes into the handshake's header, never into the address.
        public async Task Open(string host, string tent, string agent, string token)
        {
            socket.Options.AddSubProtocol(Protocol);
            socket.Options.AddSubProtocol("bearer." + token);
            var address = new Uri(host + "/api/world/" + tent + "/agents/" + agent + "/stream");
            await socket.ConnectAsync(address, end.Token).ConfigureAwait(false);
            Receiving = Task.Run((Func<Task>)Receive);
        }

        // The next message, or null: an object with one member, whose key names the kind.
        public Dictionary<string, object> Poll()
        {
            Dictionary<string, object> message;
            return waiting.TryDequeue(out message) ? message : null;
        }

        public Task Tick(double simTimeS, double dtS)
        {
            return Send("tick", new Dictionary<string, object> { { "sim_time_s", simTimeS }, { "dt_s", dtS } });
        }

        public Task Move(string body, params double[] position)
        {
            return Send("move", new Dictionary<string, object> { { "body", body }, { "position", position } });
        }

        public Task Collision(string a, string b, double impulse, params double[] position)
        {
            return Send("collision", new Dictionary<string, object> {
                { "a", a }, { "b", b }, { "impulse", impulse }, { "position", position } });
        }

        // The same id again gets the same answer and has no second effect.
        public Task Intent(string id, string kind, Dictionary<string, object> payload)
        {
            return Send("intent", new Dictionary<string, object> { { "id", id }, { "kind", kind }, { "payload", payload } });
        }

        public async Task Send(string kind, Dictionary<string, object> body)
        {
            var bytes = Encoding.UTF8.GetBytes(Json.Write(new Dictionary<string, object> { { kind, body } }));
            await sending.WaitAsync(end.Token).ConfigureAwait(false);
            try
            {
                await socket.SendAsync(new ArraySegment<byte>(bytes), WebSocketMessageType.Text, true, end.Token).ConfigureAwait(false);
            }
            finally { sending.Release(); }
        }

        public void Dispose()
        {
            end.Cancel();
            socket.Dispose();
        }

        async Task Receive()
        {
            var buffer = new ArraySegment<byte>(new byte[65536]);
            try
            {
                while (true)
                {
                    var text = new MemoryStream();
                    WebSocketReceiveResult part;
                    do
                    {
                        part = await socket.ReceiveAsync(buffer, end.Token).ConfigureAwait(false);
                        if (part.MessageType == WebSocketMessageType.Close)
                        {
                            Ended = part.CloseStatusDescription ?? "closed";
                            return;
                        }
                        text.Write(buffer.Array, 0, part.Count);
                    } while (!part.EndOfMessage);
                    waiting.Enqueue((Dictionary<string, object>)Json.Read(Encoding.UTF8.GetString(text.ToArray())));
                }
            }
            catch (Exception error) { Ended = error.Message; }
        }
    }
}
