// JSON in a hundred lines: enough for the messages of a shared world, and no package. Objects are Dictionary<string, object>,
// arrays List<object>, numbers double, and null is null.
using System;
using System.Collections;
using System.Collections.Generic;
using System.Globalization;
using System.Text;

namespace TomatoWorld
{
    public static class Json
    {
        public static string Write(object value)
        {
            var text = new StringBuilder();
            Append(text, value);
            return text.ToString();
        }

        // Throws FormatException for anything that is no JSON.
        public static object Read(string text)
        {
            int at = 0;
            object value = Value(text, ref at);
            Space(text, ref at);
            if (at != text.Length) throw new FormatException("text after the JSON value");
            return value;
        }

        static void Append(StringBuilder text, object value)
        {
            if (value == null) text.Append("null");
            else if (value is bool) text.Append((bool)value ? "true" : "false");
            else if (value is string) Quote(text, (string)value);
            else if (value is IDictionary) Members(text, (IDictionary)value);
            else if (value is IEnumerable) Items(text, (IEnumerable)value);
            else text.Append(Convert.ToDouble(value, CultureInfo.InvariantCulture).ToString("R", CultureInfo.InvariantCulture));
        }

        static void Members(StringBuilder text, IDictionary members)
        {
            string between = "{";
            foreach (DictionaryEntry member in members)
            {
                text.Append(between);
                Quote(text, (string)member.Key);
                text.Append(':');
                Append(text, member.Value);
                between = ",";
            }
            text.Append(members.Count == 0 ? "{}" : "}");
        }

        static void Items(StringBuilder text, IEnumerable items)
        {
            text.Append('[');
            string between = "";
            foreach (object item in items)
            {
                text.Append(between);
                Append(text, item);
                between = ",";
            }
            text.Append(']');
        }

        static void Quote(StringBuilder text, string value)
        {
            text.Append('"');
            foreach (char letter in value)
            {
                if (letter == '"' || letter == '\\') text.Append('\\').Append(letter);
                else if (letter < ' ') text.Append("\\u").Append(((int)letter).ToString("x4"));
                else text.Append(letter);
            }
            text.Append('"');
        }

        static void Space(string text, ref int at)
        {
            while (at < text.Length && char.IsWhiteSpace(text[at])) at++;
        }

        static char Next(string text, ref int at)
        {
            Space(text, ref at);
            if (at >= text.Length) throw new FormatException("the JSON ends too early");
            return text[at];
        }

        static object Value(string text, ref int at)
        {
            switch (Next(text, ref at))
            {
                case '{': return Object(text, ref at);
                case '[': return Array(text, ref at);
                case '"': return String(text, ref at);
                case 't': return Word(text, ref at, "true", true);
                case 'f': return Word(text, ref at, "false", false);
                case 'n': return Word(text, ref at, "null", null);
                default: return Number(text, ref at);
            }
        }

        static object Word(string text, ref int at, string word, object value)
        {
            if (string.CompareOrdinal(text, at, word, 0, word.Length) != 0) throw new FormatException("an unknown word");
            at += word.Length;
            return value;
        }

        static object Number(string text, ref int at)
        {
            int from = at;
            while (at < text.Length && "+-.eE0123456789".IndexOf(text[at]) >= 0) at++;
            return double.Parse(text.Substring(from, at - from), NumberStyles.Float, CultureInfo.InvariantCulture);
        }

        static Dictionary<string, object> Object(string text, ref int at)
        {
            var members = new Dictionary<string, object>();
            at++;
            while (Next(text, ref at) != '}')
            {
                string key = String(text, ref at);
                if (Next(text, ref at) != ':') throw new FormatException("a colon is missing");
                at++;
                members[key] = Value(text, ref at);
                if (Next(text, ref at) == ',') at++;
            }
            at++;
            return members;
        }

        static List<object> Array(string text, ref int at)
        {
            var items = new List<object>();
            at++;
            while (Next(text, ref at) != ']')
            {
                items.Add(Value(text, ref at));
                if (Next(text, ref at) == ',') at++;
            }
            at++;
            return items;
        }

        static string String(string text, ref int at)
        {
            if (text[at] != '"') throw new FormatException("a string begins with a quote");
            var value = new StringBuilder();
            for (at++; at < text.Length && text[at] != '"'; at++)
            {
                if (text[at] != '\\') { value.Append(text[at]); continue; }
                at++;
                int known = "nrtbf".IndexOf(text[at]);
                if (known >= 0) value.Append("\n\r\t\b\f"[known]);
                else if (text[at] == 'u')
                {
                    value.Append((char)int.Parse(text.Substring(at + 1, 4), NumberStyles.HexNumber));
                    at += 4;
                }
                else value.Append(text[at]);
            }
            if (at >= text.Length) throw new FormatException("a string does not end");
            at++;
            return value.ToString();
        }
    }
}
