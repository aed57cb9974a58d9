// The manager object, number 0: makes, names, finds and counts the others.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <steward/manager/server/core_impl.hpp>

namespace steward::detail::server {

// An object like any other, but that there is always exactly one, which nobody refers to and which
// is not among those that are counted, listed and saved: its state is the core's own.
//
// What gives references is a change, also where it only looks.
class ManagerObject final : public Object {
 public:
  explicit ManagerObject(Core::Impl& core) : core_(core) {}

  // Opens the object of this name, or makes it.
  Value create(std::string_view type, std::optional<std::string> name, Arguments init);
  // With a nonce: ends that lease; it must be there if `needs_lease`, or this client's already.
  // Like what a queue gives, the lease waits again if the claim is given up.
  Value claim(Call& call, std::uint64_t object, std::optional<Value> nonce,
              std::optional<bool> needs_lease);
  void lease(Call& call, std::uint64_t object, const Value& nonce);
  bool revoke(const Value& nonce);
  // [object, count]: so many references less.
  void drop(Call& call, const std::vector<Value>& counts);
  bool remove(std::string_view name);
  // The object of this name, a list of none or one.
  Value find(std::string_view name);
  // In the order of the alphabet.
  Value names();
  Value objects();
  std::uint64_t number_of_objects() const { return core_.objects.size(); }
  std::string debug_info() const;
  // Comes here when nobody waits for it: else Impl::ask_statistics has taken it.
  void stat() const {}
  void shutdown();

  void confirmed(CallKey key, Context& context) override;
  void returned(CallKey key, Context& context) override;
  void save(Saver&) const override {}

 private:
  core::ReferencePtr existing(core::ObjectId id) const;
  Session& session_of(CallKey key) const;

  Core::Impl& core_;
};

// Its class, whose methods are numbered behind those of `registry`.
Class manager_class(const Registry& registry);

}  // namespace steward::detail::server
