// Blocking: the call policy of the proxies themselves. A policy is the base of a class of methods
// (ListMethods<T, Calls>) and decides what a call gives: here, its result.
//
// What a policy offers to methods:
//   Result<R>                          what a method that results in R gives
//   call<R>(method, arguments...)      calls; the result is one value of type R, or void
//   read_as(reading, method, arguments...)  calls; `reading` turns the reply into the result
//   ready(value...)                    a result that needs no call
// Arguments are encoded during the call and never kept: views need not outlive it.
#pragma once

#include <new>
#include <string>
#include <type_traits>
#include <utility>

#include <steward/client/grants.hpp>
#include <steward/client/waiting.hpp>
#include <steward/core/handle_codec.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/proxy/arguments.hpp>
#include <steward/proxy/results.hpp>
#include <steward/proxy/target.hpp>

namespace steward::detail::proxy {

class Blocking : public Target {
 public:
  template <class R>
  using Result = R;

 protected:
  using Target::Target;

  template <class R, class... A>
  R call(const Method& method, const A&... arguments) const {
    return read_as(As<R>{}, method, arguments...);
  }

  template <class Reading, class... A>
  typename Reading::Result read_as(const Reading& reading, const Method& method,
                                   const A&... arguments) const {
    return read_by(reading, method, time_limit(method), arguments...);
  }

  // For a part of a call that has begun before.
  template <class Reading, class... A>
  typename Reading::Result read_by(const Reading& reading, const Method& method,
                                   const TimeLimit& limit, const A&... arguments) const {
    try {
      const client::SessionPtr with = session(method, limit);
      if (with == nullptr) return reading(Reply{nullptr, object(), false, {}, 0});
      client::Kept kept;
      const std::string packed = pack(*with, kept, method, limit, arguments...);
      client::Receipt receipt;
      const std::optional<client::Result> reply =
          Target::call(*with, method, limit, packed, receipt);
      return unpack(reading, *with, method, reply, receipt);
    } catch (const std::bad_alloc&) {
      fail(method);
    }
  }

  template <class T>
  static T ready(T value) {
    return value;
  }
  static void ready() {}

 private:
  template <class... A>
  std::string pack(client::Session& with, client::Kept& kept, const Method& method,
                   const TimeLimit& limit, const A&... arguments) const {
    const client::ArgumentScope scope(with, kept, limit.end);
    const core::StopScope stop(method.stop);
    std::string packed;
    try {
      write_arguments(packed, arguments...);
    } catch (...) {
      fail(method);
    }
    return packed;
  }

  template <class Reading>
  typename Reading::Result unpack(const Reading& reading, client::Session& with,
                                  const Method& method,
                                  const std::optional<client::Result>& reply,
                                  client::Receipt& receipt) const {
    const std::string_view result = reply ? std::string_view(*reply) : std::string_view();
    const client::SessionNumber granted_by = reply ? reply->session : 0;
    client::ResultScope scope(with, result, granted_by);
    const Reply read{&with, object(), reply.has_value(), result, granted_by};
    try {
      if constexpr (std::is_void_v<typename Reading::Result>) {
        reading(read);
        scope.done();
        receipt.keep();
      } else {
        auto result = reading(read);
        scope.done();
        receipt.keep();
        return result;
      }
    } catch (...) {
      fail(method);
    }
  }
};

}  // namespace steward::detail::proxy
