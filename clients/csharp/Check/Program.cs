// Runs an engine of two balls on a line against a live host: tick, move, the push of a player, the collision that comes back.
// Arguments: ws://host:port. Tokens: ENGINE_TOKEN, PLAYER_TOKEN. Prints one JSON line; exit code 0 when all of it happened.
using System;
using System.Collections.Generic;
using System.Threading;

namespace TomatoWorld
{
    public static class Program
    {
        public static int Main(string[] arguments)
        {
            var seen = new Dictionary<string, object>();
            using (var engine = new WorldStream())
            using (var player = new WorldStream())
            {
                engine.Open(arguments[0], "arena", "engine", Environment.GetEnvironmentVariable("ENGINE_TOKEN")).Wait();
                player.Open(arguments[0], "arena", "player", Environment.GetEnvironmentVariable("PLAYER_TOKEN")).Wait();
                double red = 0.0, blue = 1.0, speed = 0.0;
                for (int step = 0; step < 100 && !seen.ContainsKey("collision"); step++)
                {
                    engine.Tick(step * 0.1, 0.1).Wait();
                    engine.Move("red", red, 0.0, 0.0).Wait();
                    engine.Move("blue", blue, 0.0, 0.0).Wait();
                    if (step == 3)
                        player.Intent("csharp-push", "push", new Dictionary<string, object> {
                            { "body", "red" }, { "target", new[] { 2.0, 0.0, 0.0 } } }).Wait();
                    red += speed * 0.1;
                    if (speed > 0.0 && blue - red <= 0.4)
                    {
                        engine.Collision("red", "blue", speed, red, 0.0, 0.0).Wait();
                        speed = 0.0;
                    }
                    Thread.Sleep(40);
                    foreach (var effect in Drain(engine, "effect", seen))
                        if ((string)effect["kind"] == "push") { seen["push"] = effect["source"]; speed = 1.0; }
                    foreach (var effect in Drain(player, "effect", seen))
                        if ((string)effect["kind"] == "collision") seen["collision"] = effect["payload"];
                }
                seen["ended"] = engine.Ended ?? player.Ended;
            }
            Console.WriteLine(Json.Write(seen));
            return seen.ContainsKey("push") && seen.ContainsKey("collision") && seen.ContainsKey("answer") ? 0 : 1;
        }

        static IEnumerable<Dictionary<string, object>> Drain(WorldStream stream, string kind, Dictionary<string, object> seen)
        {
            for (var message = stream.Poll(); message != null; message = stream.Poll())
            {
                if (message.ContainsKey("answer")) seen["answer"] = ((Dictionary<string, object>)message["answer"])["status"];
                if (message.ContainsKey("error")) seen["error"] = ((Dictionary<string, object>)message["error"])["text"];
                if (message.ContainsKey(kind)) yield return (Dictionary<string, object>)message[kind];
            }
        }
    }
}
