#include <steward/pool/job.hpp>

namespace steward::detail::pool {

bool Job::deliver(const TaskUnit& unit, std::string_view results) noexcept {
  try {
    collector_->take(unit.first, unit.count, MessageReader(results));
  } catch (...) {
    collector_->lose(unit.first, unit.count, std::current_exception());
  }
  return settled(unit.count);
}

bool Job::lose(const TaskUnit& unit, const std::exception_ptr& why) noexcept {
  collector_->lose(unit.first, unit.count, why);
  return settled(unit.count);
}

void Job::finish() {
  try {
    collector_->finish(total_);
  } catch (...) {
    collector_->lose(0, 0, std::current_exception());
    collector_->finish(total_);
  }
}

// While little is known of its results, and however large they are, no worker waits for a task.
bool Job::wants_more(std::size_t workers) const {
  const auto stock = collector_->stock();
  if (!stock) return true;
  if (stock->calls >= kStockCalls || stock->bytes >= kStockBytes) return false;
  if (under_way.tasks < 2 * workers) return true;
  return stock->mean_bytes && stock->calls + under_way.calls < kStockCalls &&
         stock->bytes + under_way.calls * *stock->mean_bytes < kStockBytes;
}

bool Job::settled(std::size_t count) {
  const std::lock_guard hold(mutex_);
  settled_ += count;
  return complete_ && settled_ == total_;
}

bool Job::complete(std::size_t total) {
  const std::lock_guard hold(mutex_);
  complete_ = true;
  total_ = total;
  return settled_ == total_;
}

Job::Settled Job::progress() const {
  const std::lock_guard hold(mutex_);
  if (!complete_) return {settled_, std::nullopt};
  return {settled_, total_};
}

}  // namespace steward::detail::pool
