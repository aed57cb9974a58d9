// House: a manager's server on a thread of this process, and a session with it, so that proxies can
// be tried on what they are made for. The server can be stopped between two lines of a test.
#pragma once

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include <steward/client/grants.hpp>
#include <steward/client/reference.hpp>
#include <steward/client/session.hpp>
#include <steward/core/codec.hpp>
#include <steward/manager/server/server.hpp>
#include <steward/proxy/arguments.hpp>

namespace steward::detail::test {

class House {
  enum class State { serving, pausing, paused, ending };

 public:
  House() : server_(server::builtin_classes()), thread_([this] { serve(); }) {
    session_ = client::connect(server_.addresses().front());
  }
  House(const House&) = delete;
  House& operator=(const House&) = delete;
  ~House() {
    session_->end(std::chrono::seconds(1));
    state_ = State::ending;
    thread_.join();
  }

  client::Session& session() { return *session_; }

  // A new object; its proxy is of type P.
  template <class P, class... A>
  P make(const A&... init) {
    std::string arguments;
    core::Writer writer(arguments);
    writer.array(3);
    writer.string(P::kType);
    writer.nil();
    {
      const core::HandleCodecScope scope(session_->codec());
      proxy::write_arguments(arguments, init...);
    }
    const auto result = session_->call(core::kManagerObject, "create", arguments, {});
    client::ResultScope scope(*session_, *result);
    P proxy = core::unpack<P>(*result);
    scope.done();
    return proxy;
  }

  // What the manager says of itself.
  std::string debug_info() {
    return core::unpack<std::string>(
        *session_->call(core::kManagerObject, "debug_info", "\x90", {}));
  }
  std::size_t number_of_objects() {
    return core::unpack<std::size_t>(
        *session_->call(core::kManagerObject, "number_of_objects", "\x90", {}));
  }

  // While it lives, the server does nothing.
  class Pause {
   public:
    explicit Pause(House& house) : state_(house.state_) {
      state_ = State::pausing;
      state_.wait(State::pausing);
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;
    ~Pause() {
      state_ = State::serving;
      state_.notify_all();
    }

   private:
    std::atomic<State>& state_;
  };

 private:
  void serve() {
    while (state_ != State::ending) {
      server_.step(std::chrono::milliseconds(2));
      State pausing = State::pausing;
      if (!state_.compare_exchange_strong(pausing, State::paused)) continue;
      state_.notify_all();
      state_.wait(State::paused);
    }
  }

  server::Server server_;
  std::atomic<State> state_ = State::serving;
  std::thread thread_;
  client::SessionPtr session_;
};

// Runs `body` as another owner of locks, to its end.
template <class F>
auto on_another_thread(F body) {
  return std::async(std::launch::async, std::move(body)).get();
}

}  // namespace steward::detail::test
