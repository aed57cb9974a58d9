// LockBook: who holds a lock, and by which token.
#pragma once

#include <cstdint>
#include <optional>
#include <set>

#include <steward/tests/simulation/object_book.hpp>

namespace steward::detail::simulation {

class LockBook final : public ObjectBook {
 public:
  struct Hold {
    core::SessionId session;
    core::ThreadNumber thread = 0;
    std::uint64_t token = 0;
    std::uint64_t depth = 0;
    std::set<const SeenCall*> unconfirmed = {};

    bool is_of(const SeenCall& call) const {
      return session == call.session && thread == call.thread;
    }
  };

  LockBook(Shared& shared, bool reentrant) : ObjectBook(shared), reentrant_(reentrant) {}

  const std::optional<Hold>& hold() const { return hold_; }

  void confirmed(SeenCall& call) override;
  void returned(SeenCall& call) override;
  void session_ended(const core::SessionId& session) override;
  void check_waiting() const override;
  void check_calm() const override;

 private:
  void begin(SeenCall& call) override;
  void end(SeenCall& call, core::ErrorCode code, std::string_view payload) override;
  void grant(SeenCall& call, core::Reader& payload);
  void let_go();

  const bool reentrant_;
  std::optional<Hold> hold_;
};

}  // namespace steward::detail::simulation
