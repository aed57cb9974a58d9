// How a Listener lets others in.
#pragma once

#include <cstddef>
#include <string>

namespace steward {

struct ListenerOptions {
  // As a manager's: whoever comes by tcp must hold it, and all that is said is encrypted. Off this
  // host there must be one. At an ipc address the kernel says who comes, and no key is asked for.
  std::string key = {};
  std::size_t backlog = 128;  // so many connections may wait to be accepted; further ones wait in
                              // the kernel or are refused
};

}  // namespace steward
