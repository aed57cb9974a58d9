// How to reach a manager.
#pragma once

#include <chrono>
#include <string>

namespace steward {

struct ConnectOptions {
  std::string key = {};                           // what `steward keygen` printed, or a passphrase
  std::chrono::milliseconds timeout = std::chrono::seconds(10);  // to connect, and to reconnect
};

}  // namespace steward
