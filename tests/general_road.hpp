// GeneralRoad: for tests of what queues do through their manager.
#pragma once

#include <cstdlib>

namespace steward::detail::test {

// While it lives, queues that this process and its children meet for the first time do not use
// shared memory. On one thread, as getenv() is not safe beside it.
class GeneralRoad {
 public:
  GeneralRoad() { ::setenv("STEWARD_TRANSPORT", "zmq", 1); }
  GeneralRoad(const GeneralRoad&) = delete;
  GeneralRoad& operator=(const GeneralRoad&) = delete;
  ~GeneralRoad() { ::unsetenv("STEWARD_TRANSPORT"); }
};

}  // namespace steward::detail::test
