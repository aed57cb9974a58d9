// Values as JSON and back, so that nothing is lost on the way.
//
// What JSON has no word for is an object with one key that begins with "$":
//   {"$bytes": "aGVsbG8="}       bytes, in base64
//   {"$text": "/w=="}            text that JSON cannot hold (no UTF-8), or that looks like a handle
//   {"$real": "NaN"}             also "Infinity" and "-Infinity"
//   {"$map": [[1, "one"]]}       a map with keys that are no text, or begin with "$"
// A handle is its text, "steward:1:...", which keeps its object alive for a minute. Integers have
// 64 bits; a real always has a point or an exponent.
#pragma once

#include <string>
#include <string_view>

#include <steward/steward.hpp>

namespace steward::cli {

// One line. Throws as Handle::str for handles inside.
std::string to_json(const Value& value);

// `what` names the text in errors: "argument 1". A handle is claimed, with `options`. Throws
// UsageError if it is no JSON, or a handle that is damaged; and as steward::open.
Value from_json(std::string_view text, std::string_view what, const ConnectOptions& options = {});

// The text in double quotes. Control characters are escaped, also those that only terminals know.
std::string json_string(std::string_view text);

// Whether a text is meant as a handle.
bool looks_like_handle(std::string_view text);

}  // namespace steward::cli
