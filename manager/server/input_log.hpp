// The core's inputs as bytes, for an engine that keeps them: MessagePack arrays of a number for the
// kind, the batch's time in nanoseconds, and the fields.
#pragma once

#include <string>

#include <steward/core/clock.hpp>
#include <steward/manager/server/core.hpp>

namespace steward::detail::server {

std::string encode_input(const Input& input, core::Time now);

}  // namespace steward::detail::server
