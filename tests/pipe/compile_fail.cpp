// What a Connection refuses. CASE 0 compiles.
#include <steward/pipe/pipe.hpp>
#include <steward/process/process.hpp>

#include <string>
#include <utility>

namespace {

[[maybe_unused]] void take(steward::Connection<int>) {}

}  // namespace

void build_pipes() {
  auto [near, far] = steward::pipe<int>();
#if CASE == 0
  steward::Connection<int> moved = std::move(near);
  steward::Process child(take, std::move(far));
#elif CASE == 1
  steward::Connection<int> copy = near;
#elif CASE == 2
  steward::Process child(take, far);
#elif CASE == 3
  near.send(std::string("four"));
#elif CASE == 4
  auto [a, b] = steward::pipe<const char*>();
  a.send("text");
#endif
}
