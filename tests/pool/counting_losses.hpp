// Collectors of pools' tests.
#pragma once

#include <atomic>
#include <cstddef>
#include <exception>
#include <future>

#include <steward/pool/collectors.hpp>

namespace steward::detail::test {

// Tells that all has come to its end, and how many calls were lost.
class CountingLosses final : public pool::Collector {
 public:
  explicit CountingLosses(std::promise<std::size_t>& lost) : lost_(lost) {}
  void take(std::size_t, std::size_t, pool::MessageReader) override {}
  void lose(std::size_t, std::size_t count, const std::exception_ptr&) noexcept override {
    count_ += count;
  }
  void finish(std::size_t) override { lost_.set_value(count_); }

 private:
  std::promise<std::size_t>& lost_;
  std::atomic<std::size_t> count_{0};
};

}  // namespace steward::detail::test
