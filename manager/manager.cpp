#include <steward/manager/manager.hpp>

#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include <steward/client/grants.hpp>
#include <steward/client/reachable.hpp>
#include <steward/client/reference.hpp>
#include <steward/core/auth.hpp>
#include <steward/core/errors.hpp>
#include <steward/core/interrupt.hpp>
#include <steward/core/tcp_address.hpp>
#include <steward/core/writer.hpp>
#include <steward/manager/private_server.hpp>
#include <steward/manager/serve.hpp>
#include <steward/manager/server_start.hpp>

namespace steward {
namespace {

// The arguments of a method without any: an empty MessagePack array.
constexpr std::string_view kNoArguments = "\x90";
// How errors that arise on this side name the manager.
constexpr std::string_view kType = "manager";
// Over tcp, where nobody tells of its end.
constexpr std::chrono::milliseconds kShutdownAskedAgain{250};
constexpr std::chrono::seconds kShutdownTime{10};

template <class Session>
detail::client::Result call_manager(Session& session, std::string_view method,
                                    std::string_view arguments, detail::client::Effect effect,
                                    detail::core::Deadline deadline = std::nullopt) {
  detail::client::CallOptions options;
  options.effect = effect;
  options.deadline = deadline;
  options.object_type = kType;
  return session.call(detail::core::kManagerObject, method, arguments, options)
      .value_or(detail::client::Result());
}

}  // namespace

// What a Manager is made of. Either owns a server or is connected to one.
struct Manager::Impl {
  explicit Impl(const ManagerOptions& options)
      : server(std::in_place, detail::manager::Types(), options),
        address(detail::manager::told_address(options, server->addresses())),
        shutdown_timeout(options.shutdown_timeout),
        session(detail::client::connect(server->addresses().front())) {}
  Impl(detail::client::SessionPtr given, std::string given_address)
      : address(std::move(given_address)), session(std::move(given)) {}

  // Ends a server that this process owns.
  void end_server() noexcept;

  std::optional<detail::manager::PrivateServer> server;
  std::string address;
  std::chrono::milliseconds shutdown_timeout{};
  detail::client::SessionPtr session;
  pid_t creator = ::getpid();
  std::optional<std::chrono::milliseconds> patience;  // of the manager's own calls

  detail::core::Deadline deadline() const {
    return patience ? detail::core::deadline_after(*patience) : std::nullopt;
  }
};

void detail::manager::ManagerAccess::set_patience(Manager& manager,
                                               std::chrono::milliseconds patience) {
  manager.impl().patience = patience;
}

void Manager::Impl::end_server() noexcept {
  const std::chrono::milliseconds part = shutdown_timeout / 3;
  try {
    const detail::core::Deadline deadline = detail::core::deadline_after(part);
    if (server->running()) {
      call_manager(*session, "shutdown", kNoArguments, detail::client::Effect::change, deadline);
      server->wait(deadline);
    }
  } catch (const std::exception&) {
    // It has ended meanwhile, or does not answer: signals will do.
  }
  try {
    server->end(2 * part);
    session->end(detail::core::Duration::zero());
  } catch (const std::exception&) {
    // Memory or descriptors are short. The server watches this process: it ends at the latest with
    // it.
  }
}

Manager::Manager(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Manager::Manager() : Manager(detail::manager::Types()) {}
Manager::Manager(ManagerOptions options) : Manager(detail::manager::Types(), std::move(options)) {}
Manager::Manager(detail::manager::Types, ManagerOptions options)
    : Manager([&options] {
        const detail::core::ErasedAtEnd key(options.key);  // this copy is nobody's any more
        return std::make_unique<Impl>(options);
      }()) {}
Manager::Manager(detail::client::SessionPtr session, std::string address)
    : impl_(std::make_unique<Impl>(std::move(session), std::move(address))) {}
Manager::Manager(Manager&&) noexcept = default;

Manager& Manager::operator=(Manager&& other) noexcept {
  if (this == &other) return *this;
  Manager old(std::move(*this));
  impl_ = std::move(other.impl_);
  return *this;
}

Manager::~Manager() {
  if (!impl_ || impl_->creator != ::getpid()) return;
  const detail::core::Uninterrupted uninterrupted;
  if (impl_->server) {
    // The end of the program is no reason to take the objects from under its threads.
    detail::client::process_ends() ? impl_->server->leave_alone() : impl_->end_server();
    return;
  }
  try {
    detail::client::leave(std::move(impl_->session));
  } catch (const std::exception&) {
    // Memory or descriptors are short. The manager sees the end of this process, at the latest.
  }
}

Manager Manager::connect(const std::string& address, const ConnectOptions& options) {
  return Manager(detail::client::connect(address, options), address);
}

Manager Manager::connect(const std::string& address, detail::manager::Types,
                         const ConnectOptions& options) {
  return connect(address, options);
}

void Manager::serve(detail::manager::Types types, const ManagerOptions& options,
                    const Ready& ready) {
  detail::manager::serve(types, options, ready);
}
void Manager::serve(const ManagerOptions& options, const Ready& ready) {
  detail::manager::serve(detail::manager::Types(), options, ready);
}

Manager::Impl& Manager::impl() const {
  if (!impl_) throw BadCall("this Manager was moved from");
  return *impl_;
}

const std::string& Manager::address() const { return impl().address; }

pid_t Manager::pid() const {
  return impl().server ? impl_->server->pid() : impl_->session->server_pid();
}

void Manager::shutdown() {
  if (impl().server && impl_->server->is_ours()) return impl_->end_server();
  const detail::client::SessionPtr with = session();
  const auto remote = detail::core::parse_tcp(impl_->address);
  const detail::core::Deadline last =
      detail::core::deadline_after(impl_->patience.value_or(kShutdownTime));
  // Its agreement may be lost with its end: a DEALER with ZMQ_IMMEDIATE drops what it has not read
  // when the connection breaks.
  const auto is_gone = [&] {
    return with->manager_has_ended() || (remote && detail::client::is_refused(*remote, last));
  };
  for (;;) {
    try {
      call_manager(*with, "shutdown", kNoArguments, detail::client::Effect::change,
                   remote ? detail::core::deadline_after(kShutdownAskedAgain) : impl_->deadline());
      return;
    } catch (const TimeoutError&) {  // to ask again does no harm
      if (is_gone()) return;
      if (std::chrono::steady_clock::now() >= *last) throw;
    } catch (const detail::core::Failure&) {
      if (is_gone()) return;
      throw;
    }
  }
}

// A forked child opens a session of its own.
detail::client::SessionPtr Manager::session() const {
  if (impl().creator == ::getpid()) return impl_->session;
  return impl_->session->in_this_process();
}

Value Manager::call(std::string_view method, std::string_view arguments,
                    detail::client::Effect effect) const {
  const detail::client::SessionPtr with = session();
  const detail::client::Result reply =
      call_manager(*with, method, arguments, effect, impl_->deadline());
  detail::client::ResultScope scope(*with, reply, reply.session);
  Value result = detail::core::unpack<Value>(reply);
  scope.done();
  return result;
}

std::vector<Object> Manager::objects() const {
  const Value handles = call("objects", kNoArguments, detail::client::Effect::read);
  std::vector<Object> all;
  all.reserve(handles.list().size());
  for (const Value& handle : handles.list()) all.push_back(handle.as<Object>());
  return all;
}

std::map<std::string, Object> Manager::names() const {
  const Value named = call("names", kNoArguments, detail::client::Effect::read);
  std::map<std::string, Object> all;
  for (const Value& entry : named.list()) {
    all.emplace(entry.list().at(0).string(), entry.list().at(1).as<Object>());
  }
  return all;
}

std::optional<Object> Manager::find(std::string_view name) const {
  std::string arguments;
  detail::proxy::write_arguments(arguments, std::string(name));
  const Value found = call("find", arguments, detail::client::Effect::read);
  if (found.list().empty()) return std::nullopt;
  return found.list().front().as<Object>();
}

Object Manager::object(std::uint64_t id) const {
  std::string arguments;
  detail::proxy::write_arguments(arguments, id, Value());
  return call("claim", arguments, detail::client::Effect::read).as<Object>();
}

Object Manager::create(std::string_view type, const Value::List& arguments) const {
  return Object::from_reference(make(type, nullptr, detail::proxy::ArgumentList{arguments}));
}
Object Manager::create(std::string_view type, const detail::manager::Name& name,
                       const Value::List& arguments) const {
  return Object::from_reference(make(type, &name, detail::proxy::ArgumentList{arguments}));
}

Value Manager::stat() const { return call("stat", kNoArguments, detail::client::Effect::read); }

std::size_t Manager::number_of_objects() const {
  return call("number_of_objects", kNoArguments, detail::client::Effect::read).as<std::size_t>();
}

std::string Manager::debug_info() const {
  return call("debug_info", kNoArguments, detail::client::Effect::read).string();
}

bool Manager::remove(std::string_view name) {
  std::string arguments;
  detail::proxy::write_arguments(arguments, std::string(name));
  return call("remove", arguments, detail::client::Effect::change).boolean();
}

void Manager::begin_create(std::string& arguments, std::string_view type,
                           const detail::manager::Name* name) {
  detail::core::Writer writer(arguments);
  writer.array(3);
  writer.string(type);
  if (name != nullptr) {
    writer.string(name->text());
  } else {
    writer.nil();
  }
}

detail::core::ReferencePtr Manager::created(detail::client::Session& session,
                                            std::string_view arguments) const {
  const detail::client::Result reply =
      call_manager(session, "create", arguments, detail::client::Effect::change, impl().deadline());
  detail::client::ResultScope scope(session, reply, reply.session);
  detail::core::ReferencePtr reference = detail::core::unpack<Value>(reply).reference();
  scope.done();
  return reference;
}

Lock Manager::lock(const LockOptions& options) const {
  return Lock::from_reference(make(Lock::kType, nullptr, options.on_owner_death));
}
Lock Manager::lock(const detail::manager::Name& name, const LockOptions& options) const {
  return Lock::from_reference(make(Lock::kType, &name, options.on_owner_death));
}
RLock Manager::rlock(const LockOptions& options) const {
  return RLock::from_reference(make(RLock::kType, nullptr, options.on_owner_death));
}
RLock Manager::rlock(const detail::manager::Name& name, const LockOptions& options) const {
  return RLock::from_reference(make(RLock::kType, &name, options.on_owner_death));
}

}  // namespace steward
