%% Evaluated inside a node when it has booted: dials its keeper, then answers expressions one by one.
%% Not a module: file:eval/1 reads it. When the keeper is gone, so is the node.
Answer = fun(Text) ->
    try
        {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(Text) ++ "."),
        {ok, Expressions} = erl_parse:parse_exprs(Tokens),
        {value, Value, _} = erl_eval:exprs(Expressions, []),
        ["ok ", io_lib:format("~0tp", [Value])]
    catch
        _:Reason -> ["error ", io_lib:format("~0tp", [Reason])]
    end
end,
Serve = fun Loop(Socket) ->
    case gen_tcp:recv(Socket, 0) of
        {ok, Text} ->
            ok = gen_tcp:send(Socket, unicode:characters_to_binary(Answer(Text))),
            Loop(Socket);
        {error, _} ->
            case init:get_status() of
                {stopping, _} -> ok;
                _ -> erlang:halt(1)
            end
    end
end,
spawn(fun() ->
    ok = rabbit:await_startup(),
    %% Once a minute it would start an epmd; this node is found without.
    _ = supervisor:terminate_child(rabbit_sup, rabbit_epmd_monitor_sup),
    {ok, Socket} = gen_tcp:connect({local, os:getenv("OUTBOARD_CONTROL")}, 0, [local, binary, {packet, 4}, {active, false}]),
    Serve(Socket)
end).
