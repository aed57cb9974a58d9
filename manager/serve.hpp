// The server in the program's own process.
#pragma once

#include <functional>
#include <string>

#include <steward/manager/options.hpp>

namespace steward::detail::manager {

// Serves until SIGTERM, SIGINT or a shutdown call. `ready` is told the address once clients may
// come. Throws what keeps the server from coming up.
void serve(Types types, const ManagerOptions& options,
           const std::function<void(const std::string& address)>& ready = {});

// Says on standard error what it means, if others of this host may come in without a key.
void warn_if_open(const ManagerOptions& options) noexcept;

}  // namespace steward::detail::manager
