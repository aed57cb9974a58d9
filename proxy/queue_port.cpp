#include <steward/proxy/queue_port.hpp>

#include <fmt/format.h>

#include <steward/client/ring.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/writer.hpp>
#include <steward/proxy/results.hpp>
#include <steward/proxy/ring_call.hpp>

namespace steward::detail::proxy {

// ---- Which way a call goes ----

QueuePort::Ring* QueuePort::ring(const Method& method) const {
  return ring(method, Limit(*this, method));
}

QueuePort::Ring* QueuePort::ring(const Method& method, const Limit& limit) const {
  const core::Deadline until = limit.until.deadline();
  Ring* ring = nullptr;
  try {
    std::optional<core::StopScope> scope;  // not made for nothing: this is a part of every call
    if (method.stop.stop_possible()) scope.emplace(method.stop);
    ring = client::ring_of(reference(), until);
  } catch (const Interrupted&) {
    core::throw_interrupted(name(method));
  } catch (const Disconnected&) {
    if (!client::has_passed(until)) throw;
  } catch (const TimeoutError&) {
    if (!client::has_passed(until)) throw;
  } catch (...) {
    fail(method);
  }
  const bool over = ring == nullptr && !limit.time.own && client::has_passed(until);
  if (over) throw timed_out(method);
  return ring;
}

bool QueuePort::put(const Method& method, const Outgoing& item) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return put_in_manager(method, limit.time, item);
  return RingCall(*this, *ring, method, limit).put(item);
}

void QueuePort::put_many(const Method& method, const OutgoingItems& items) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return read_by(As<void>(), method, limit.time, items);
  RingCall(*this, *ring, method, limit).put_many(items);
}

bool QueuePort::take(const Method& method, ItemReader read) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return take_in_manager(method, limit.time, read);
  shm::Held none;
  return RingCall(*this, *ring, method, limit).take(read, none) != RingCall::Took::nothing;
}

void QueuePort::take_many(const Method& method, std::size_t max, SlotReader read) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return take_many_in_manager(method, limit.time, max, read);
  RingCall(*this, *ring, method, limit).take_many(max, read);
}

template <class R, class F>
R QueuePort::ask(const Method& method, F operation) const {
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return read_by(As<R>(), method, limit.time);
  return RingCall(*this, *ring, method, limit).on_ring([&] { return operation(*ring); });
}

std::size_t QueuePort::size() const {
  return ask<std::size_t>(reading("size"), [](Ring& ring) { return ring.size(); });
}
bool QueuePort::empty() const {
  return ask<bool>(reading("empty"), [](Ring& ring) { return ring.size() == 0; });
}
bool QueuePort::full() const {
  return ask<bool>(reading("full"), [](Ring& ring) { return ring.full(); });
}
std::size_t QueuePort::maxsize() const { return call<std::size_t>(reading("maxsize")); }

void QueuePort::task_done() const {
  const Method method = changing("task_done");
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return read_by(As<void>(), method, limit.time);
  if (RingCall(*this, *ring, method, limit).on_ring([&] { return ring->task_done(); })) return;
  throw BadCall(name(method) + ": task_done was called more often than items were taken");
}

void QueuePort::join(std::stop_token stop) const {
  const Method method = until_stopped(std::move(stop), waiting(reading("join")));
  const Limit limit(*this, method);
  Ring* const ring = this->ring(method, limit);
  if (ring == nullptr) return read_by(As<void>(), method, limit.time);
  const RingCall by_ring(*this, *ring, method, limit);
  const auto outcome = by_ring.on_ring([&] { return ring->join(limit.until); });
  static_cast<void>(by_ring.concluded(outcome));
}

void QueuePort::close() const {
  ask<void>(changing("close"), [](Ring& ring) { ring.close(); });
}

// ---- Through the manager ----

bool QueuePort::put_in_manager(const Method& method, const TimeLimit& limit,
                               const Outgoing& item) const {
  return method.parks ? read_by(Done(), method, limit, item)
                      : read_by(As<bool>(), method, limit, item);
}

void QueuePort::show_reply(std::string_view encoded, ItemReader read) {
  constexpr auto kPacked = static_cast<std::uint32_t>(ItemFormat::packed);
  static_cast<void>(read(shm::Item{shm::bytes_of(encoded), kPacked}));
}

bool QueuePort::take_in_manager(const Method& method, const TimeLimit& limit,
                                ItemReader read) const {
  const auto reading = [&](const Reply& reply) {
    if (!reply.done) return false;
    if (method.parks) {
      show_reply(reply.result, read);
      return true;
    }
    impl::Elements found(reply.result);
    if (found.left() == 0) return false;
    show_reply(found.next(), read);
    return true;
  };
  return read_by(ReadBy{reading}, method, limit);
}

void QueuePort::take_many_in_manager(const Method& method, const TimeLimit& limit,
                                     std::size_t max, SlotReader read) const {
  const auto reading = [&](const Reply& reply) {
    impl::Elements found(reply.result);
    for (std::size_t slot = 0; found.left() > 0; ++slot) {
      const auto read_it = [&](const shm::Item& item) {
        read(slot, &item);
        return true;
      };
      show_reply(found.next(), read_it);
    }
  };
  read_by(ReadBy{reading}, method, limit, max);
}

// ---- What the manager is told, and whose error it is ----

void QueuePort::redeemed(std::uint64_t number) const noexcept {
  try {
    post(changing("redeemed"), number);
  } catch (const std::exception&) {
    // The item is the caller's, whatever the manager hears.
  }
}

void QueuePort::post(const Method& method, std::uint64_t number) const {
  std::string arguments;
  core::Writer writer(arguments);
  writer.array(1);
  writer.natural(number);
  session(method)->post(object(), method.name, arguments);
}

void QueuePort::fail_on_ring(const Method& method) const {
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

void QueuePort::fail_as_part_of(const Method& whole, const Method& part) const {
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
  } catch (const Interrupted& error) {
    throw Interrupted(named(error));
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
