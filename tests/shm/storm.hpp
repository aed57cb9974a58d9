// What the processes of a kill storm write down, in memory that survives them, and what has to be
// true of it in the end (kill_storm_test).
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <steward/tests/shm/ring_ledger.hpp>
#include <steward/tests/shm/stepped.hpp>

namespace steward::detail::test {

struct StormItem {
  std::uint32_t producer = 0;
  std::uint32_t number = 0;  // from 1

  bool operator==(const StormItem&) const = default;
  // With a tail whose length and letters follow from the rest.
  std::string packed() const;
  // Throws BadCall if these are not the bytes that were put.
  static StormItem unpacked(const shm::Item& item);
};

struct StormLog {
  static constexpr std::size_t kProcessesMax = 4096;
  static constexpr std::size_t kDeliveriesMax = std::size_t{1} << 20U;

  struct Producer {
    std::atomic<std::uint32_t> intended;      // written before the put
    std::atomic<std::uint32_t> acknowledged;  // and after it
  };
  // Written while the item is shown, before it can be gone; its index says when.
  struct Delivery {
    std::uint64_t began;  // the index that was next when the taking began
    StormItem item;
    std::uint32_t consumer;
    std::uint8_t redelivered;
    std::atomic<bool> written;
    std::atomic<bool> completed;  // it is gone for good, said the call that returned
  };

  std::atomic<std::uint64_t> deliveries;
  std::atomic<std::uint64_t> puts;
  // The one who makes the delivery of this index writes to that descriptor.
  std::atomic<std::uint64_t> notifier_at;
  std::atomic<int> bell;
  std::atomic<bool> no_more_puts;
  std::atomic<bool> no_more_gets;
  std::atomic<bool> failed;
  std::array<Producer, kProcessesMax> producers;
  std::array<std::atomic<bool>, kProcessesMax> killed;
  std::array<Delivery, kDeliveriesMax> delivery;

  void clear();
  bool nearly_full() const { return deliveries.load() + 50'000 > kDeliveriesMax; }
};

// Until it is told to stop, killed or wrong: these run in processes of their own.
void produce(StormLog& log, shm::SharedQueue& queue, std::uint32_t me, std::uint64_t seed);
void consume(StormLog& log, shm::SharedQueue& queue, std::uint32_t me, std::uint64_t seed);
// Takes what is left.
void consume_rest(StormLog& log, shm::SharedQueue& queue, std::uint32_t me);

// What is wrong with the log of a storm that is over; nothing, if all is well.
std::vector<std::string> flaws(const StormLog& log);

}  // namespace steward::detail::test
