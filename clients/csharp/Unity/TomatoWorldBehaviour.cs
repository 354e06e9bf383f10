// Sample for Unity: put it on an object, give it the bodies that the world shall know. It reports time and places each fixed
// step, collisions as they happen, and moves a body when the effect of a push arrives. The token comes from the environment.
using System;
using System.Collections.Generic;
using UnityEngine;

namespace TomatoWorld
{
    public sealed class TomatoWorldBehaviour : MonoBehaviour
    {
        public string host = "ws://127.0.0.1:8423";
        public string tent = "arena";
        public string agent = "engine";
        public Rigidbody[] bodies = new Rigidbody[0];
        WorldStream stream;

        async void Start()
        {
            stream = new WorldStream();
            await stream.Open(host, tent, agent, Environment.GetEnvironmentVariable("TOMATO_TOKEN"));
        }

        void FixedUpdate()
        {
            if (stream == null || stream.Ended != null) return;
            stream.Tick(Time.fixedTime, Time.fixedDeltaTime);
            foreach (var body in bodies)
            {
                var at = body.position;
                stream.Move(body.name, at.x, at.y, at.z);
            }
            for (var message = stream.Poll(); message != null; message = stream.Poll()) Apply(message);
        }

        // Called by the bodies' own OnCollisionEnter.
        public void Report(Collision collision, string a, string b)
        {
            var at = collision.GetContact(0).point;
            stream.Collision(a, b, collision.impulse.magnitude, at.x, at.y, at.z);
        }

        void Apply(Dictionary<string, object> message)
        {
            object found;
            if (!message.TryGetValue("effect", out found)) return;
            var effect = (Dictionary<string, object>)found;
            if ((string)effect["kind"] != "push") return;
            var payload = (Dictionary<string, object>)effect["payload"];
            var to = (List<object>)payload["target"];
            foreach (var body in bodies)
                if (body.name == (string)payload["body"])
                    body.AddForce(new Vector3((float)(double)to[0], (float)(double)to[1], (float)(double)to[2]) - body.position,
                        ForceMode.VelocityChange);
        }

        void OnDestroy()
        {
            if (stream != null) stream.Dispose();
        }
    }
}
