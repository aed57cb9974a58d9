// A server whose queues local processes use through shared memory, and the test as such a process.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <steward/shm/shared_queue.hpp>
#include <steward/tests/server/loop/loop_test.hpp>

namespace steward::detail::test {

using RingOutcome = shm::SharedQueue::Outcome;

inline constexpr core::Time kNow = shm::SharedQueue::kNow;

inline std::string ring_message(std::uint64_t object) {
  std::string bytes;
  core::Writer writer(bytes);
  writer.array(3);
  writer.natural(1);
  writer.string("ring");
  writer.natural(object);
  return bytes;
}

inline std::span<const std::byte> as_bytes(std::string_view text) {
  return std::as_bytes(std::span(text));
}

// What the control socket says to somebody who wants a ring.
struct RingAnswer {
  std::uint64_t maxsize = 0;
  shm::UniqueFd fd;
  std::string refusal;
  bool for_good = false;
};

class RingTest : public LoopTest {
 protected:
  RingAnswer ask_for_ring(const std::string& message, const std::vector<int>& fds = {}) {
    const shm::UniqueFd control = connect_control_socket(directory());
    shm::send_with_fds(control.get(), message, fds);
    shm::Received received;
    EXPECT_TRUE(eventually([&] {
      received = shm::receive_with_fds(control.get(), 4096, shm::Wait::none);
      return !received.would_block;
    }));
    RingAnswer answer;
    if (!received.message) return answer;
    core::Reader reader(received.message->bytes);
    const std::size_t fields = reader.array();
    EXPECT_EQ(reader.natural(), 1U);
    if (reader.nil_if_next()) {
      answer.refusal = reader.string();
      answer.for_good = fields == 4 && reader.boolean();
      EXPECT_EQ(fields, answer.for_good ? 4U : 3U);
    } else {
      EXPECT_EQ(fields, 3U);
      EXPECT_EQ(reader.string(), "ring");
      answer.maxsize = reader.natural();
      EXPECT_EQ(received.message->fds.size(), 1U);
      answer.fd = std::move(received.message->fds.at(0));
    }
    EXPECT_TRUE(eventually([&] { return is_closed(control); }));
    return answer;
  }
  std::unique_ptr<shm::SharedQueue> ring(core::ObjectId queue) {
    RingAnswer answer = ask_for_ring(ring_message(core::number(queue)));
    EXPECT_EQ(answer.refusal, "");
    return shm::SharedQueue::open(std::move(answer.fd));
  }

  static core::ObjectId queue_of(BareClient& client, std::uint64_t maxsize) {
    const Value handle = client.get(core::kManagerObject, "create", Value("queue"), Value(),
                                    Value(Value::List{Value(maxsize)}));
    return handle.reference()->token().object;
  }

  // As a local client puts a value and takes one.
  static RingOutcome put(shm::SharedQueue& ring, const Value& value,
                         core::Deadline deadline = kNow) {
    return ring.put(as_bytes(core::encoded(value)), 0, deadline);
  }
  // Nil if nothing is there, a text where it ended.
  Value take(shm::SharedQueue& ring, core::Deadline deadline = kNow) {
    Value value;
    const auto read = [&](const shm::Item& item) {
      const std::string_view bytes(reinterpret_cast<const char*>(item.bytes.data()),
                                   item.bytes.size());
      last_format = item.format;
      last_redelivered = item.redelivered;
      value = item.format == 0 ? core::decoded(bytes) : Value::of_bytes(bytes);
      return true;
    };
    shm::Held held;
    switch (ring.get(read, deadline, held)) {
      case RingOutcome::done: return value;
      case RingOutcome::timeout: return {};
      case RingOutcome::closed: return "(closed)";
      case RingOutcome::ended: return "(ended)";
      case RingOutcome::stopped:
      case RingOutcome::no_block: break;
    }
    return {};
  }
  // Until the calls that were sent have been taken in and wait.
  void wait_until_parked(std::size_t count) {
    EXPECT_TRUE(eventually([&] { return server->core().number_parked() == count; }));
  }

  std::uint32_t last_format = 0;
  bool last_redelivered = false;
};

}  // namespace steward::detail::test
