#include <steward/proxy/local_queue.hpp>

#include <fmt/format.h>

#include <steward/client/ring.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/writer.hpp>

namespace steward::detail::proxy {

LocalQueue::Ring* LocalQueue::ring(const Method& method) const {
  const Limit limit = this->limit(method);
  const core::Deadline until = limit.until().deadline();
  Ring* ring = nullptr;
  try {
    const core::StopScope scope(method.stop);
    ring = client::ring_of(reference(), until);
  } catch (const Interrupted&) {
    core::throw_interrupted(name(method));
  } catch (...) {
    fail(method);
  }
  const bool over = ring == nullptr && !limit.own && client::has_passed(until);
  if (over) throw timed_out(method);
  return ring;
}

bool LocalQueue::concluded(const Method& method, Ring::Outcome outcome, bool own_time) const {
  switch (outcome) {
    case Ring::Outcome::done: return true;
    case Ring::Outcome::timeout:
      if (own_time) return false;
      throw timed_out(method);
    case Ring::Outcome::closed: throw Closed(name(method) + ": the queue is closed");
    case Ring::Outcome::stopped: core::throw_interrupted(name(method));
    case Ring::Outcome::ended:
    case Ring::Outcome::no_block: break;
  }
  throw Disconnected(name(method) +
                     ": the manager has shut down, or was killed and nobody else uses the queue");
}

std::uint64_t LocalQueue::stub_number(Bytes bytes) {
  if (bytes.size() != sizeof(std::uint64_t)) throw BadCall("an item of the queue is malformed");
  std::uint64_t number = 0;
  for (std::size_t i = bytes.size(); i > 0; --i) {
    number = number << 8U | std::to_integer<std::uint64_t>(bytes[i - 1]);
  }
  return number;
}

void LocalQueue::redeemed(std::uint64_t number) const noexcept {
  try {
    post(changing("redeemed"), number);
  } catch (const std::exception&) {
    // The item is the caller's, whatever the manager hears.
  }
}

void LocalQueue::done_with(Ring& ring, const shm::Held& held,
                           client::HomeProcess home) noexcept {
  if (!home.is_this_one()) return;
  try {
    static_cast<void>(ring.consume(held));
  } catch (const std::exception&) {
    // Its memory is damaged.
  }
}

void LocalQueue::give_back(Ring& ring, const shm::Held& held) noexcept {
  try {
    static_cast<void>(ring.nack(held));
  } catch (const std::exception&) {
    // Its memory is damaged, or there is none.
  }
}

bool LocalQueue::manager_is_gone(Ring& ring) noexcept {
  try {
    return ring.manager_is_gone();
  } catch (const std::exception&) {
    return false;
  }
}

void LocalQueue::post(const Method& method, std::uint64_t number) const {
  std::string arguments;
  core::Writer writer(arguments);
  writer.array(1);
  writer.natural(number);
  session(method)->post(object(), method.name, arguments);
}

void LocalQueue::fail_on_ring(const Method& method) const {
  const auto named = [&](const std::exception& error) {
    return fmt::format("{}: {}", name(method), error.what());
  };
  try {
    throw;
  } catch (const shm::NoMemory& error) {
    throw Overloaded(named(error));
  } catch (const Overloaded& error) {
    throw Overloaded(named(error));
  } catch (const shm::Damaged& error) {
    throw Disconnected(named(error));
  } catch (...) {
    fail(method);
  }
}

void LocalQueue::fail_as_part_of(const Method& whole, const Method& part) const {
  const auto named = [&](const std::exception& error) {
    const std::string prefix = name(part) + ": ";
    const std::string_view text = error.what();
    if (!text.starts_with(prefix)) return std::string(text);
    return fmt::format("{}: {}", name(whole), text.substr(prefix.size()));
  };
  try {
    throw;
  } catch (const TimeoutError& error) {
    throw TimeoutError(named(error));
  } catch (const Overloaded& error) {
    throw Overloaded(named(error));
  } catch (const Closed& error) {
    throw Closed(named(error));
  } catch (const StaleHandle& error) {
    throw StaleHandle(named(error));
  } catch (const Disconnected& error) {
    throw Disconnected(named(error));
  } catch (const OutcomeUnknown& error) {
    throw OutcomeUnknown(named(error));
  } catch (const BadCall& error) {
    throw BadCall(named(error));
  }
}

}  // namespace steward::detail::proxy
