// The core's inputs as bytes, for an engine that keeps them, and back: MessagePack arrays of a
// number for the kind, the batch's time in nanoseconds, and the fields.
#pragma once

#include <string>
#include <string_view>

#include <steward/core/clock.hpp>
#include <steward/core/limits.hpp>
#include <steward/core/reader.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/server/core.hpp>

namespace steward::detail::server {

std::string encode_input(const Input& input, core::Time now);

// The views in it are of the bytes that were decoded.
struct LoggedInput {
  Input input;
  core::Time now;
};
// Throws BadCall if encode_input() has not written this.
LoggedInput decode_input(std::string_view bytes);

// Those limits that the outcomes of inputs depend on.
void encode_limits(core::Writer& out, const core::Limits& limits);
core::Limits decode_limits(core::Reader& in);

}  // namespace steward::detail::server
