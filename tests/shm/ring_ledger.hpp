// What the tests of a queue among processes have in common: short texts as items, and what has to
// be true of a queue whatever happened to it.
#pragma once

#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <steward/shm/shared_queue.hpp>

namespace steward::detail::test {

using Texts = std::vector<std::string>;

inline std::span<const std::byte> bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

inline std::string text(const shm::Item& item) {
  return {reinterpret_cast<const char*>(item.bytes.data()), item.bytes.size()};
}

// Another participant, of this process or of the forked child that calls it.
inline std::unique_ptr<shm::SharedQueue> again(const shm::SharedQueue& queue) {
  return shm::SharedQueue::open(shm::UniqueFd(::dup(queue.fd())));
}

inline bool put(shm::SharedQueue& queue, std::string_view item,
                core::Deadline deadline = shm::SharedQueue::kNow) {
  return queue.put(bytes(item), 0, deadline) == shm::SharedQueue::Outcome::done;
}

template <class Read>
shm::SharedQueue::Outcome get(shm::SharedQueue& queue, Read&& read, core::Deadline deadline) {
  shm::Held none;
  const auto all = [&](const shm::Item& item) {
    read(item);
    return true;
  };
  return queue.get(all, deadline, none);
}

template <class Read>
shm::SharedQueue::Outcome get_many(shm::SharedQueue& queue, std::size_t max, Read&& read,
                                   core::Deadline deadline) {
  std::vector<shm::Held> none;
  const auto all = [&](const shm::Item& item) {
    read(item);
    return true;
  };
  return queue.get_many(max, all, deadline, none);
}

template <class Read>
shm::SharedQueue::Outcome reserve(shm::SharedQueue& queue, core::Deadline until, Read&& read,
                                  core::Deadline deadline, shm::Held& held) {
  const auto all = [&](const shm::Item& item) {
    read(item);
    return true;
  };
  return queue.reserve([&] { return until; }, all, deadline, held);
}

// The next item, or what there was instead in brackets.
inline std::string next(shm::SharedQueue& queue,
                        core::Deadline deadline = shm::SharedQueue::kNow) {
  std::string out;
  const auto read = [&](const shm::Item& item) {
    out = (item.redelivered ? "again_" : "") + text(item);
  };
  switch (get(queue, read, deadline)) {
    case shm::SharedQueue::Outcome::done: return out;
    case shm::SharedQueue::Outcome::timeout: return "(empty)";
    case shm::SharedQueue::Outcome::closed: return "(closed)";
    case shm::SharedQueue::Outcome::ended: return "(ended)";
    case shm::SharedQueue::Outcome::stopped:
    case shm::SharedQueue::Outcome::no_block: break;
  }
  return "(?)";
}

// All that is there, and then "(empty)" or "(closed)".
inline Texts drain(shm::SharedQueue& queue) {
  Texts out;
  do {
    out.push_back(next(queue));
  } while (out.back()[0] != '(');
  return out;
}

inline std::string listed(const Texts& texts) {
  std::string out;
  for (const auto& text : texts) out += text + ' ';
  return out;
}

// Of a queue at rest that holds nothing: no block is lost, nothing counts as unfinished.
inline void expect_nothing_lost(shm::SharedQueue& queue) {
  while (queue.task_done()) {
  }
  EXPECT_EQ(queue.join(shm::SharedQueue::kNow), shm::SharedQueue::Outcome::done);
  const auto memory = shm::QueueMemory::open(shm::UniqueFd(::dup(queue.fd())));
  for (unsigned k = 0; k < memory.size_classes(); ++k) {
    const auto range = memory.block_range(k);
    for (std::uint32_t b = range.first; b < range.first + range.ready; ++b) {
      const auto state = shm::State::of(memory.state(b).load());
      EXPECT_EQ(state.holder(), shm::Holder::free)
          << "block " << b << " of participant " << state.owner();
    }
  }
}

// An open queue at rest that holds nothing takes and gives as many as on its first day, and closes.
inline void expect_usable(shm::SharedQueue& queue) {
  const std::size_t room = queue.shape().maxsize != 0 ? queue.shape().maxsize : 50;
  for (int round = 0; round < 2; ++round) {
    for (std::size_t i = 0; i < room; ++i) EXPECT_TRUE(put(queue, std::to_string(i)));
    EXPECT_EQ(queue.size(), room);
    EXPECT_EQ(queue.full(), queue.shape().maxsize != 0);
    for (std::size_t i = 0; i < room; ++i) EXPECT_EQ(next(queue), std::to_string(i));
    EXPECT_EQ(next(queue), "(empty)");
  }
  queue.close();
  EXPECT_EQ(queue.put(bytes("x"), 0, shm::SharedQueue::kNow),
            shm::SharedQueue::Outcome::closed);
  EXPECT_EQ(next(queue), "(closed)");
}

}  // namespace steward::detail::test
