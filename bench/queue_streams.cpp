#include <steward/bench/queue_streams.hpp>

#include <algorithm>

namespace steward::bench {

Run Stream::run(const std::string& what, std::size_t count) {
  const std::size_t share = kBatch * producers_.size() * consumers_.size();
  const std::size_t all = (count + share - 1) / share * share;
  // Consumers first: they are to wait for the others, as the others do not for them.
  for (const auto& peer : consumers_) peer->begin("get_" + what, all / consumers_.size());
  for (const auto& peer : producers_) peer->begin("put_" + what, all / producers_.size());
  Run run{static_cast<double>(all), 0};
  for (const auto& peer : consumers_) run.seconds = std::max(run.seconds, peer->finish().seconds);
  for (const auto& peer : producers_) peer->finish();
  return run;
}

}  // namespace steward::bench
